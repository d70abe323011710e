// The tools of a component.

import { check, checkName, Made, refuseOthers } from "./names.js";
import { Schema } from "./schema.js";

const KEYS = ["name", "title", "description", "input", "output", "annotations"];

/** As the contract's `tool-annotations` has them. */
const HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

const NOTHING = { type: "object", properties: {}, additionalProperties: false };

export const tools = new Made("tool");

export function tool(definition, run) {
  tools.add(new Tool(definition, run));
  return run;
}

class Tool {
  constructor(definition, run) {
    const { name } = definition;
    checkName("tool", definition.name);
    check("tool", definition, KEYS, run);
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
