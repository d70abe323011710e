// The prompts of a component.

import { Block, content } from "./content.js";
import { check, checkName, Made, refuseOthers } from "./names.js";

const KEYS = ["name", "title", "description", "arguments"];
const ARGUMENT_KEYS = ["description", "optional", "complete"];

export const prompts = new Made("prompt");

export function prompt(definition, run) {
  prompts.add(new Prompt(definition, run));
  return run;
}

/** A message of a prompt. Authors get it from `message`. */
class Message {
  constructor(role, given) {
    this.role = role;
    this.content = given instanceof Block ? given : content.text(given);
  }
}

export const message = {
  user: (given) => new Message("user", given),
  assistant: (given) => new Message("assistant", given),
};

class Prompt {
  #run;

  constructor(definition, run) {
    checkName("prompt", definition.name);
    check("prompt", definition, KEYS, run);
    this.name = definition.name;
    this.definition = definition;
    this.#run = run;
    for (const [name, argument] of this.#arguments()) {
      refuseOthers(argument, ARGUMENT_KEYS, `the argument \`${name}\` of \`${this.name}\``);
    }
  }

  /** What `list-prompts` says of it. */
  describe() {
    const { title, description } = this.definition;
    const described = this.#arguments().map(([name, { description, optional = false }]) => ({ name, description, required: !optional }));
    return { name: this.name, title, description, arguments: described, icons: [] };
  }

  /** Its messages; `given` is an object of texts. */
  async messages(given) {
    const result = await this.#run(given);
    return [result].flat().map((one) => {
      if (one instanceof Message) return one;
      if (one instanceof Block || typeof one === "string") return message.user(one);
      throw new TypeError(`a prompt gives text, blocks of \`content\` or messages of \`message\`, not ${one === null ? "null" : `a value of type ${typeof one}`}`);
    });
  }

  /** What completes an argument, if anything does. */
  completer(argument) {
    return new Map(this.#arguments()).get(argument)?.complete;
  }

  #arguments() {
    return Object.entries(this.definition.arguments ?? {});
  }
}
