// The tools of a component, in the order in which they were made.

import { Schema } from "./schema.js";

/** Names that every client takes, and the contract: see `tool.name` there. */
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;

const KEYS = ["name", "title", "description", "input", "output", "annotations"];

/** As the contract's `tool-annotations` has them. */
const HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

const NOTHING = { type: "object", properties: {}, additionalProperties: false };

const tools = new Map();

export function tool(definition, run) {
  const made = new Tool(definition, run);
  if (tools.has(made.name)) throw new TypeError(`two tools are named \`${made.name}\`: give one another name`);
  tools.set(made.name, made);
  return run;
}

/** All tools. */
export function all() {
  return [...tools.values()];
}

/** The tool of this name, if there is one. */
export function find(name) {
  return tools.get(name);
}

class Tool {
  constructor(definition, run) {
    const { name } = definition;
    if (typeof name !== "string" || !NAME.test(name)) {
      throw new TypeError(`\`${name}\` cannot be a tool's name: write 1 to 128 letters, digits, \`_\`, \`-\` or \`.\``);
    }
    if (typeof run !== "function") throw new TypeError(`the tool \`${name}\` needs a function: tool({ name: "${name}", .. }, fn)`);
    refuseOthers(definition, KEYS, `the tool \`${name}\``);
    refuseOthers(definition.annotations ?? {}, HINTS, `the annotations of \`${name}\``);
    this.name = name;
    this.run = run;
    this.input = new Schema(definition.input ?? NOTHING, `the input of \`${name}\``);
    this.output = definition.output === undefined ? undefined : new Schema(definition.output, `the output of \`${name}\``);
    this.definition = definition;
  }

  /** What `list-tools` says of it. */
  describe() {
    const { title, description, annotations } = this.definition;
    return {
      name: this.name,
      title,
      description,
      inputSchema: this.input.json("input"),
      outputSchema: this.output?.json("output"),
      annotations: annotations === undefined ? undefined : { title, ...annotations },
      icons: [],
    };
  }
}

function refuseOthers(given, known, where) {
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other !== undefined) throw new TypeError(`${where} has no \`${other}\`: there are ${known.join(", ")}`);
}
