// What a tool's author imports. `index.d.ts` has the documentation.

export { content } from "./content.js";
export { env } from "./env.js";
export { openStore, StoreError } from "./keyvalue.js";
export { log } from "./log.js";
export { output } from "./output.js";
export { cancelled, progress } from "./progress.js";
export { tool } from "./tool.js";
