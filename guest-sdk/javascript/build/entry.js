// What is bundled: the author's module, and what a component exports. `index.js` says what `authors-module` is.

import "authors-module";

import { prompts } from "../src/prompt.js";
import { resources } from "../src/resource.js";
import { tools } from "../src/tool.js";

export * from "../src/provider.js";

if ([tools, prompts, resources].every((made) => made.all().length === 0)) {
  throw new TypeError("the module makes no tool: call `tool({ name, description, .. }, fn)` in it");
}
