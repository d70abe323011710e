import { open } from "#stores";

export class StoreError extends Error {
  name = "StoreError";
}

export function openStore(name) {
  return new Store(name, attempt(name, () => open(name)));
}

class Store {
  #name;
  #bucket;

  constructor(name, bucket) {
    this.#name = name;
    this.#bucket = bucket;
  }

  get(key) {
    return this.#attempt((bucket) => bucket.get(key));
  }

  getText(key) {
    const value = this.get(key);
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }

  set(key, value) {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    this.#attempt((bucket) => bucket.set(key, bytes));
  }

  delete(key) {
    this.#attempt((bucket) => bucket.delete(key));
  }

  has(key) {
    return this.#attempt((bucket) => bucket.exists(key));
  }

  keys() {
    const keys = [];
    let cursor;
    do {
      const page = this.#attempt((bucket) => bucket.listKeys(cursor));
      keys.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return keys.sort();
  }

  #attempt(use) {
    return attempt(this.#name, () => use(this.#bucket));
  }
}

/** Runs it, and turns the contract's error into one that says what to do. */
function attempt(name, use) {
  try {
    return use();
  } catch (error) {
    throw new StoreError(explain(name, error.payload ?? error), { cause: error });
  }
}

function explain(name, { tag, val, message }) {
  switch (tag) {
    case "no-such-store":
    case "access-denied":
      return `the store \`${name}\` is not granted: define it in the manifest, \`stores: { ${name}: { kind: embedded, path: ${name}.redb } }\`, and grant it at this tool's source, \`allow: { keyvalue: [${name}] }\``;
    default:
      return val ?? message;
  }
}
