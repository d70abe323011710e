// What a component exports: the contract's interfaces.

import "#fetch";

import { success } from "./output.js";
import { prompts as knownPrompts } from "./prompt.js";
import { read, resources as knownResources } from "./resource.js";
import { tools as knownTools } from "./tool.js";

export const tools = {
  listTools() {
    return described(knownTools.all());
  },

  async callTool({ name, arguments: given }) {
    const tool = knownTools.find(name);
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

export const prompts = {
  listPrompts() {
    return described(knownPrompts.all());
  },

  async getPrompt(name, given) {
    const prompt = knownPrompts.find(name);
    if (prompt === undefined) throw { tag: "unknown-prompt", val: name };
    try {
      return { description: prompt.definition.description, messages: await prompt.messages(Object.fromEntries(given)) };
    } catch (error) {
      throw { tag: "failed", val: words(error) };
    }
  },
};

export const resources = {
  listResources() {
    return described(knownResources.all().filter(({ isTemplate }) => !isTemplate));
  },

  listResourceTemplates() {
    return described(knownResources.all().filter(({ isTemplate }) => isTemplate));
  },

  async readResource(uri) {
    let contents;
    try {
      contents = await read(uri);
    } catch (error) {
      throw { tag: "failed", val: words(error) };
    }
    if (contents === undefined) throw { tag: "not-found" };
    return contents;
  },
};

export const completion = {
  async complete({ target: { tag, val }, argument, value, context }) {
    const target = (tag === "prompt" ? knownPrompts : knownResources).find(val);
    if (target === undefined) throw `there is no ${tag} \`${val}\``;
    const completer = target.completer(argument);
    try {
      const values = completer === undefined ? [] : await completer({ value, settled: Object.fromEntries(context) });
      return { values, total: BigInt(values.length), hasMore: false };
    } catch (error) {
      throw words(error);
    }
  },
};

function described(made) {
  try {
    return made.map((one) => one.describe());
  } catch (error) {
    throw words(error);
  }
}

function failed(tag, message) {
  return { tag: "failed", val: { tag, val: message } };
}

/** What was thrown, in words. */
function words(thrown) {
  const told = thrown instanceof Error ? thrown.message : plain(thrown);
  return String(told ?? "") || thrown?.name || "the tool failed and gave no reason";
}

/** An object that is no error as JSON: its own words would be `[object Object]`. */
function plain(thrown) {
  if (typeof thrown !== "object" || thrown === null) return thrown;
  try {
    return JSON.stringify(thrown);
  } catch {
    return thrown;
  }
}
