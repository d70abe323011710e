// The resources of a component, and families of them.

import { bytes } from "./content.js";
import { check, Made, refuseOthers } from "./names.js";

const KEYS = ["uri", "name", "title", "description", "mimeType", "complete"];

/** `{name}` stands for a part without `/`, `{+name}` for one with it (RFC 6570, section 3.2). */
const VARIABLE = /\{(\+?)([A-Za-z_]\w*)\}/g;

export const resources = new Made("resource", "uri");

export function resource(definition, run) {
  resources.add(new Resource(definition, run));
  return run;
}

/** What a URI holds, by the resource of that name, else by the first family that has something there; else nothing. */
export async function read(uri) {
  const named = resources.find(uri);
  if (named?.isTemplate === false) return named.read(uri);
  for (const family of resources.all().filter(({ isTemplate }) => isTemplate)) {
    const contents = await family.read(uri);
    if (contents !== undefined) return contents;
  }
}

class Resource {
  #run;
  #variables;
  #pattern;

  constructor(definition, run) {
    check("resource", definition, KEYS, run);
    const { uri, name, complete = {} } = definition;
    if (typeof name !== "string" || name === "") throw new TypeError(`the resource at ${uri} needs a name`);
    if (typeof uri !== "string") throw new TypeError(`the resource \`${name}\` needs a URI: resource({ name: "${name}", uri: "notes://all", .. }, fn)`);
    if (/[{}]/.test(uri.replace(VARIABLE, ""))) throw new TypeError(`${uri}: write \`{name}\` or \`{+name}\` where a URI differs`);
    this.#variables = [...uri.matchAll(VARIABLE)].map(([, , variable]) => variable);
    refuseOthers(complete, this.#variables, `the URI of \`${name}\``);
    this.uri = uri;
    this.name = name;
    this.definition = definition;
    this.isTemplate = this.#variables.length > 0;
    this.#pattern = pattern(uri);
    this.#run = run;
  }

  /** What `list-resources` or `list-resource-templates` says of it. */
  describe() {
    const { title, description, mimeType } = this.definition;
    const described = { name: this.name, title, description, mimeType, icons: [] };
    return this.isTemplate ? { uriTemplate: this.uri, ...described } : { uri: this.uri, ...described };
  }

  /** What a URI holds, as the contract has it; nothing where there is nothing, or it is not of this family. */
  async read(uri) {
    const found = this.#pattern.exec(uri);
    if (found === null) return undefined;
    const values = this.#variables.map((variable, index) => [variable, decode(found[index + 1])]);
    const result = await this.#run(Object.fromEntries(values));
    if (result === undefined || result === null) return undefined;
    return [result].flat().map((one) => this.#contents(uri, one));
  }

  /** What completes a variable, if anything does. */
  completer(variable) {
    return this.#variables.includes(variable) ? this.definition.complete?.[variable] : undefined;
  }

  #contents(uri, one) {
    if (typeof one === "string") return this.#contents(uri, { uri, text: one });
    if (one instanceof Uint8Array || one instanceof ArrayBuffer) return this.#contents(uri, { uri, blob: one });
    const { text, blob, mimeType = this.definition.mimeType } = Object(one);
    if (text === undefined && blob === undefined) {
      throw new TypeError(`a resource holds text, bytes or { uri, mimeType, text or blob }, or nothing (undefined): \`${this.name}\` holds none of these`);
    }
    const body = blob === undefined ? { tag: "text", val: String(text) } : { tag: "blob", val: bytes(blob) };
    return { uri: one.uri ?? uri, mimeType, body };
  }
}

/** What its URIs match; the longest parts that let the rest match. */
function pattern(uri) {
  const literal = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  let source = "";
  let end = 0;
  for (const { 0: whole, 1: plus, index } of uri.matchAll(VARIABLE)) {
    source += `${literal(uri.slice(end, index))}(${plus ? ".+" : "[^/?#]+"})`;
    end = index + whole.length;
  }
  return new RegExp(`^${source}${literal(uri.slice(end))}$`, "s");
}

/** Undoes percent-encoding (RFC 3986, section 2.1), as far as it is any. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
