// What definitions have in common: their names, and which keys they know.

/** Names that every client takes, and the contract: see `tool.name` there. */
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/** What was made of one kind (`tool`, `prompt`), by its key, in the order in which it was made. */
export class Made {
  #kind;
  #key;
  #all = new Map();

  constructor(kind, key = "name") {
    this.#kind = kind;
    this.#key = key;
  }

  add(made) {
    const key = made[this.#key];
    if (this.#all.has(key)) throw new TypeError(`two ${this.#kind}s have the ${this.#key} \`${key}\`: give one another ${this.#key}`);
    this.#all.set(key, made);
  }

  all() {
    return [...this.#all.values()];
  }

  /** The one of this key, if there is one. */
  find(key) {
    return this.#all.get(key);
  }
}

/** Throws where clients cannot use the name of a tool or a prompt. */
export function checkName(kind, name) {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(`\`${name}\` cannot be a ${kind}'s name: write 1 to 128 letters, digits, \`_\`, \`-\` or \`.\``);
  }
}

/** Throws where a definition has keys that there are not, or no function beside it. */
export function check(kind, definition, keys, run) {
  const { name } = definition;
  if (typeof run !== "function") throw new TypeError(`the ${kind} \`${name}\` needs a function: ${kind}({ name: "${name}", .. }, fn)`);
  refuseOthers(definition, keys, `the ${kind} \`${name}\``);
}

export function refuseOthers(given, known, where) {
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other !== undefined) throw new TypeError(`${where} has no \`${other}\`: there are ${known.join(", ") || "none"}`);
}
