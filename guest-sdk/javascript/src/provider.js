// What a component exports: the contract's `tools` interface.

import "#fetch";

import { success } from "./output.js";
import { all, find } from "./tool.js";

export const tools = {
  listTools() {
    try {
      return all().map((tool) => tool.describe());
    } catch (error) {
      throw words(error);
    }
  },

  async callTool({ name, arguments: given }) {
    const tool = find(name);
    if (tool === undefined) return failed("unknown-tool", name);
    let input;
    try {
      input = await tool.input.read(JSON.parse(given));
    } catch (error) {
      return failed("invalid-arguments", words(error));
    }
    try {
      return { tag: "done", val: success(await tool.run(input)) };
    } catch (error) {
      return failed("failed", words(error));
    }
  },
};

function failed(tag, message) {
  return { tag: "failed", val: { tag, val: message } };
}

/** What was thrown, in words. */
function words(thrown) {
  const told = thrown instanceof Error ? thrown.message : thrown;
  return String(told ?? "") || thrown?.name || "the tool failed and gave no reason";
}
