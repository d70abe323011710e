// What is bundled: the author's module, and what a component exports. `index.js` says what `authors-module` is.

import "authors-module";

import { all } from "../src/tool.js";

export { tools } from "../src/provider.js";

if (all().length === 0) throw new TypeError("the module makes no tool: call `tool({ name, description, .. }, fn)` in it");
