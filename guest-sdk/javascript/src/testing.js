// Calls tools, prompts and resources as a host does, in Node: for an author's tests.

import { prompts, resources, tools } from "./provider.js";

export async function call(name, input = {}) {
  const { tag, val } = await tools.callTool({ name, arguments: JSON.stringify(input) });
  if (tag === "failed") throw new CallError(val);
  const { value, content, isError } = val;
  return { value: value === undefined ? undefined : JSON.parse(value), content, isError };
}

export function list() {
  return tools.listTools().map(({ inputSchema, outputSchema, ...rest }) => ({
    ...rest,
    inputSchema: JSON.parse(inputSchema),
    outputSchema: outputSchema === undefined ? undefined : JSON.parse(outputSchema),
  }));
}

export async function getPrompt(name, given = {}) {
  try {
    return (await prompts.getPrompt(name, Object.entries(given))).messages.map(({ role, content }) => ({ role, content }));
  } catch (error) {
    throw new CallError(error);
  }
}

export async function readResource(uri) {
  try {
    const contents = await resources.readResource(uri);
    return contents.map(({ uri, mimeType, body: { tag, val } }) => ({ uri, mimeType, [tag]: val }));
  } catch (error) {
    if (error.tag === "not-found") return undefined;
    throw new CallError(error);
  }
}

/** Why a call gave no result. */
export class CallError extends Error {
  name = "CallError";

  constructor({ tag, val }) {
    super(val);
    this.kind = tag;
  }
}
