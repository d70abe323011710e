// From what a tool's function gives back to the contract's `success`.

import { Block } from "./content.js";

/** A value for programs together with blocks for readers. Authors get it from `output`. */
class Output {
  constructor(value, { content, isError = false } = {}) {
    this.value = value;
    this.content = content === undefined ? undefined : [content].flat();
    this.isError = isError;
  }
}

export function output(value, options) {
  return new Output(value, options);
}

/** The contract's `success` of what a function gave back. */
export function success(given) {
  const { value, content, isError } = given instanceof Output ? given : read(given);
  return { content, value: value === undefined ? undefined : json(value), isError };
}

function read(given) {
  if (given instanceof Block) return new Output(undefined, { content: given });
  const isBlocks = Array.isArray(given) && given.length > 0 && given.every((item) => item instanceof Block);
  return isBlocks ? new Output(undefined, { content: given }) : new Output(given);
}

/** What would be `{}`, whatever it holds, and what is meant. */
const COLLECTIONS = [
  [Map.prototype, "a Map has no JSON, return Object.fromEntries(map)"],
  [Set.prototype, "a Set has no JSON, return [...set]"],
];

function json(value) {
  let written;
  // For the time of this one statement, and faster than a function that is asked about each value.
  const marked = COLLECTIONS.filter(([prototype]) => !("toJSON" in prototype));
  for (const [prototype, mend] of marked) {
    Object.defineProperty(prototype, "toJSON", {
      configurable: true,
      value() {
        throw new TypeError(mend);
      },
    });
  }
  try {
    written = JSON.stringify(value);
  } catch (error) {
    throw new Error(`the tool's result can't be written as JSON: ${error.message}`);
  } finally {
    for (const [prototype] of marked) delete prototype.toJSON;
  }
  if (written === undefined) throw new Error(`the tool's result can't be written as JSON: it is a ${typeof value}`);
  return written;
}
