// Node has a `fetch` of its own.
