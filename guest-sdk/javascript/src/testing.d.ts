/**
 * Calls tools, prompts and resources as a host does, in Node: for your tests. Import their module first.
 *
 * ```js
 * import "../greet.js";
 * import { call } from "sandglass/testing";
 *
 * assert.equal((await call("greet", { name: "Ada" })).value, "Hello, Ada!");
 * ```
 *
 * The host checks arguments against the JSON Schema before the function sees them; here only schemas of a library check.
 */

import type { Block, ResourceContents } from "sandglass";

/** What a finished call gave. */
export interface Reply {
  /** The value as JSON has it, if there is one. */
  value: any;
  /** The blocks, if the tool made some. */
  content: Block[] | undefined;
  /** The tool says that what was asked failed. */
  isError: boolean;
}

/**
 * Calls the tool of this name.
 * @throws {CallError} there is none, the arguments do not fit, or the tool failed.
 */
export function call(name: string, input?: object): Promise<Reply>;

/** What the tools say of themselves, as a host gets it; the schemas are JSON Schema. */
export function list(): { name: string; title?: string; description: string; inputSchema: any; outputSchema?: any; annotations?: object }[];

/**
 * The messages of the prompt of this name.
 * @throws {CallError} there is none, or it failed.
 */
export function getPrompt(name: string, given?: Record<string, string>): Promise<{ role: "user" | "assistant"; content: Block }[]>;

/**
 * What a URI holds; nothing where nothing is found.
 * @throws {CallError} it failed.
 */
export function readResource(uri: string): Promise<ResourceContents[] | undefined>;

/** Why a call gave no result. */
export class CallError extends Error {
  kind: "unknown-tool" | "unknown-prompt" | "invalid-arguments" | "failed";
}
