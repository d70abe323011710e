// What a tool's author imports. `index.d.ts` has the documentation.

export { ask, AskError, elicit, elicitUrl, question, roots, sample } from "./ask.js";
export { content } from "./content.js";
export { env } from "./env.js";
export { openStore, StoreError } from "./keyvalue.js";
export { log } from "./log.js";
export { output } from "./output.js";
export { cancelled, progress } from "./progress.js";
export { message, prompt } from "./prompt.js";
export { resource } from "./resource.js";
export { tool } from "./tool.js";
export { updated } from "#host";
