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

function json(value) {
  let written;
  try {
    written = JSON.stringify(value);
  } catch (error) {
    throw new Error(`the tool's result can't be written as JSON: ${error.message}`);
  }
  if (written === undefined) throw new Error(`the tool's result can't be written as JSON: it is a ${typeof value}`);
  return written;
}
