// Tools as an author's tests call them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { content, env, log, openStore, output, progress, tool } from "sandglass";
import { call, list } from "sandglass/testing";
import { z } from "zod";

const TEXT = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };

/** Makes a tool without arguments and calls it. */
async function result(name, run) {
  tool({ name, description: "A test." }, run);
  return call(name);
}

test("a tool says of itself what its definition says", () => {
  const run = ({ text }) => text.length;
  const same = tool(
    {
      name: "length",
      title: "Length",
      description: "Counts characters.",
      input: TEXT,
      output: { type: "integer" },
      annotations: { readOnlyHint: true },
    },
    run,
  );
  assert.equal(same, run);
  const described = list().find(({ name }) => name === "length");
  assert.deepEqual(described, {
    name: "length",
    title: "Length",
    description: "Counts characters.",
    inputSchema: TEXT,
    outputSchema: { type: "integer" },
    annotations: { title: "Length", readOnlyHint: true },
    icons: [],
  });
});

test("a library's schema becomes JSON Schema, and reads the arguments", async () => {
  const input = z.object({
    city: z.string().min(1).describe("Where."),
    unit: z.enum(["C", "F"]).default("C"),
    days: z.number().int().optional(),
  });
  tool({ name: "forecast", description: "A test.", input, output: z.object({ unit: z.string() }) }, ({ unit }) => ({ unit }));
  const { inputSchema, outputSchema } = list().find(({ name }) => name === "forecast");
  assert.equal(inputSchema.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.deepEqual(inputSchema.required, ["city"]);
  assert.deepEqual(inputSchema.properties.city, { description: "Where.", type: "string", minLength: 1 });
  assert.deepEqual(inputSchema.properties.unit, { default: "C", type: "string", enum: ["C", "F"] });
  assert.deepEqual(outputSchema.required, ["unit"]);
  assert.deepEqual((await call("forecast", { city: "Oslo" })).value, { unit: "C" });
  await assert.rejects(call("forecast", { city: "" }), { kind: "invalid-arguments", message: /^`city`: / });
});

test("what is returned is the value, JSON as it is", async () => {
  assert.deepEqual((await result("object", () => ({ a: [1, null] }))).value, { a: [1, null] });
  assert.equal((await result("null", () => null)).value, null);
  assert.deepEqual(await result("nothing", () => {}), { value: undefined, content: undefined, isError: false });
  assert.equal((await result("later", async () => "done")).value, "done");
  assert.deepEqual((await result("empty", () => [])).value, []);
});

test("blocks are the content, alone or beside a value", async () => {
  const text = { text: "hi", annotations: undefined };
  assert.deepEqual((await result("block", () => content.text("hi"))).content.map(({ val }) => val), [text]);
  const image = (await result("blocks", () => [content.image(new Uint8Array([1]), "image/png", { priority: 1 })])).content[0];
  assert.equal(image.tag, "image");
  assert.deepEqual(image.val.annotations, { audience: [], priority: 1, lastModified: undefined });
  const both = await result("both", () => output(4, { content: content.text("four"), isError: true }));
  assert.deepEqual([both.value, both.content.length, both.isError], [4, 1, true]);
});

test("what is thrown is the tool's failure, in words", async () => {
  const failures = [
    [() => { throw new Error("no such city"); }, "no such city"],
    [() => { throw "plain text"; }, "plain text"],
    [() => { throw new RangeError(); }, "RangeError"],
    [() => { throw undefined; }, "the tool failed and gave no reason"],
    [() => 10n, /^the tool's result can't be written as JSON: .*BigInt/],
    [() => { throw { code: 7 }; }, '{"code":7}'],
    [() => [new Map([[1, 2]])], "the tool's result can't be written as JSON: a Map has no JSON, return Object.fromEntries(map)"],
    [() => ({ seen: new Set([1]) }), "the tool's result can't be written as JSON: a Set has no JSON, return [...set]"],
    [() => () => 1, "the tool's result can't be written as JSON: it is a function"],
    [async () => { throw new Error("later"); }, "later"],
  ];
  for (const [index, [run, message]] of failures.entries()) {
    await assert.rejects(result(`failure-${index}`, run), { kind: "failed", message });
  }
  assert.equal(JSON.stringify([new Map(), new Set()]), "[{},{}]");
  await assert.rejects(call("nobody"), { kind: "unknown-tool" });
});

test("a definition that cannot be meant is refused", () => {
  const refused = (definition, message, run = () => {}) => assert.throws(() => tool(definition, run), { name: "TypeError", message });
  refused({ name: "two words" }, /`two words` cannot be a tool's name/);
  refused({}, /`undefined` cannot be a tool's name/);
  refused({ name: "x".repeat(129) }, /cannot be a tool's name/);
  refused({ name: "typo", descripton: "x" }, "the tool `typo` has no `descripton`: there are name, title, description, input, output, annotations");
  refused({ name: "hint", annotations: { readOnly: true } }, /the annotations of `hint` has no `readOnly`/);
  refused({ name: "input", input: "string" }, /the input of `input` is a JSON Schema/);
  refused({ name: "run" }, /the tool `run` needs a function/, 1);
  tool({ name: "twice" }, () => {});
  refused({ name: "twice" }, "two tools have the name `twice`: give one another name");
});

test("outside a component nobody listens, and stores are in memory", () => {
  log.info({ any: "thing" });
  log.error(10n);
  progress(1, 2, "half");
  process.env.SANDGLASS_TEST = "set";
  assert.deepEqual([env("SANDGLASS_TEST"), env("SANDGLASS_NOT_SET")], ["set", undefined]);
  const store = openStore("cache");
  for (const key of ["c", "a", "b"]) store.set(key, key.toUpperCase());
  assert.deepEqual(store.keys(), ["a", "b", "c"]);
  assert.deepEqual([openStore("cache").getText("a"), openStore("other").has("a")], ["A", false]);
  store.delete("a");
  assert.equal(store.get("a"), undefined);
});
