// Calls tools as a host does, in Node: for an author's tests.

import { tools } from "./provider.js";

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

/** Why a call gave no result. */
export class CallError extends Error {
  name = "CallError";

  constructor({ tag, val }) {
    super(val);
    this.kind = tag;
  }
}
