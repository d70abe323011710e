// Schemas: JSON Schema as it is, or a library's own that speaks Standard Schema (zod, valibot, arktype).

/** The dialect of schemas that say none, as the contract has it. */
const DIALECT = "draft-2020-12";

/** A schema in both of its uses: as JSON Schema for the host, and as a check of a value. */
export class Schema {
  /** `where` says in errors whose it is. */
  constructor(given, where) {
    if (given === null || typeof given !== "object" && typeof given !== "function") {
      throw new TypeError(`${where} is a JSON Schema (an object), or a schema of zod or another library`);
    }
    this.standard = given["~standard"];
    this.given = given;
    this.where = where;
  }

  /** JSON Schema as text. `side` is "input" for what goes into the function, "output" for what comes out of it. */
  json(side) {
    return JSON.stringify(this.standard === undefined ? this.given : this.#convert(side));
  }

  /** The value as the library reads it, with defaults and conversions; throws what is wrong with it. */
  async read(value) {
    if (this.standard === undefined) return value;
    const result = await this.standard.validate(value);
    if (result.issues === undefined) return result.value;
    throw new Error(result.issues.map(issue).join("; "));
  }

  #convert(side) {
    const convert = this.standard.jsonSchema?.[side];
    if (convert !== undefined) return convert({ target: DIALECT });
    if (typeof this.given.toJSONSchema === "function") return this.given.toJSONSchema({ io: side, target: DIALECT });
    throw new TypeError(
      `${this.where}: ${this.standard.vendor} cannot write this schema as JSON Schema; update it (zod: 4.2 or later), or give JSON Schema`,
    );
  }
}

function issue({ message, path = [] }) {
  const place = path.map((part) => (typeof part === "object" ? part.key : part)).join(".");
  return place === "" ? message : `\`${place}\`: ${message}`;
}
