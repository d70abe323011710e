// Prompts, resources and questions as an author's tests call them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask, content, elicit, message, prompt, question, resource, updated } from "sandglass";
import { getPrompt, readResource } from "sandglass/testing";
import { z } from "zod";

import { completion, prompts, resources } from "../src/provider.js";

const described = (made, key, value) => made.find((one) => one[key] === value);

test("a prompt says of itself what its definition says, and its function gets the texts", async () => {
  const run = ({ code, tone = "plain" }) => `${code} ${tone}`;
  const same = prompt(
    { name: "review", title: "Review", description: "Reviews code.", arguments: { code: { description: "The code." }, tone: { optional: true } } },
    run,
  );
  assert.equal(same, run);
  assert.deepEqual(described(prompts.listPrompts(), "name", "review"), {
    name: "review",
    title: "Review",
    description: "Reviews code.",
    arguments: [
      { name: "code", description: "The code.", required: true },
      { name: "tone", description: undefined, required: false },
    ],
    icons: [],
  });
  assert.deepEqual(await getPrompt("review", { code: "x" }), [{ role: "user", content: content.text("x plain") }]);
});

test("messages are texts, blocks and messages", async () => {
  for (const [index, [given, expected]] of [
    [content.text("a"), [["user", "a"]]],
    [["a", message.assistant("b")], [["user", "a"], ["assistant", "b"]]],
    [message.user(content.text("a")), [["user", "a"]]],
  ].entries()) {
    prompt({ name: `messages-${index}` }, async () => given);
    const messages = await getPrompt(`messages-${index}`);
    assert.deepEqual(messages.map(({ role, content }) => [role, content.val.text]), expected);
  }
  prompt({ name: "number" }, () => 1);
  await assert.rejects(getPrompt("number"), { kind: "failed", message: /not a value of type number/ });
  await assert.rejects(getPrompt("nobody"), { kind: "unknown-prompt" });
});

test("a resource says what its URI holds", async () => {
  resource({ uri: "a:text", name: "a text", mimeType: "text/plain" }, () => "text");
  resource({ uri: "a:bytes", name: "bytes" }, () => new Uint8Array([1]));
  resource({ uri: "a:two", name: "two", mimeType: "text/plain" }, () => [{ uri: "a:1", text: "one" }, { uri: "a:2", blob: new ArrayBuffer(2), mimeType: "image/png" }]);
  resource({ uri: "a:typo", name: "typo" }, () => ({ contents: "x" }));
  assert.deepEqual(described(resources.listResources(), "uri", "a:text"), {
    uri: "a:text",
    name: "a text",
    title: undefined,
    description: undefined,
    mimeType: "text/plain",
    icons: [],
  });
  assert.deepEqual(await readResource("a:text"), [{ uri: "a:text", mimeType: "text/plain", text: "text" }]);
  assert.deepEqual(await readResource("a:bytes"), [{ uri: "a:bytes", mimeType: undefined, blob: new Uint8Array([1]) }]);
  assert.deepEqual((await readResource("a:two")).map(({ uri, mimeType }) => [uri, mimeType]), [["a:1", "text/plain"], ["a:2", "image/png"]]);
  await assert.rejects(readResource("a:typo"), { kind: "failed", message: /`typo` holds none of these/ });
  assert.equal(await readResource("a:nothing"), undefined);
});

test("the variables of a template are found in its URIs", async () => {
  resource({ uri: "b://{x}/{y}.txt", name: "file" }, ({ x, y }) => (y === "0" ? null : `${x} ${y}`));
  resource({ uri: "c://{+path}", name: "tree" }, ({ path }) => path);
  for (const [uri, text] of [
    ["b://caf%C3%A9%20/7.txt", "café  7"],
    ["b://%/7.txt", "% 7"],
    ["c://b/c.txt", "b/c.txt"],
    ["b://b/0.txt"],
    ["b://b/c/7.txt"],
    ["b:///7.txt"],
    ["b://b/7-txt"],
    ["c://"],
  ]) {
    assert.equal((await readResource(uri))?.[0].text, text, uri);
  }
});

test("arguments and variables are completed", async () => {
  const complete = ({ value, settled }) => [`${value}1`, settled.other].filter(Boolean);
  prompt({ name: "typed", arguments: { a: { complete }, other: {} } }, () => "");
  resource({ uri: "d://{x}", name: "typed", complete: { x: complete } }, () => "");
  const suggest = async (target, argument, context = []) => (await completion.complete({ target, argument, value: "v", context })).values;
  assert.deepEqual(await suggest({ tag: "prompt", val: "typed" }, "a", [["other", "o"]]), ["v1", "o"]);
  assert.deepEqual(await suggest({ tag: "prompt", val: "typed" }, "other"), []);
  assert.deepEqual(await suggest({ tag: "resource", val: "d://{x}" }, "x"), ["v1"]);
  await assert.rejects(suggest({ tag: "prompt", val: "nobody" }, "a"), (told) => told === "there is no prompt `nobody`");
});

test("a definition that cannot be meant is refused", () => {
  const refused = (make, definition, message, run = () => {}) => assert.throws(() => make(definition, run), { name: "TypeError", message });
  refused(prompt, { name: "two words" }, /`two words` cannot be a prompt's name/);
  refused(prompt, { name: "typo", argument: {} }, /the prompt `typo` has no `argument`/);
  refused(prompt, { name: "typo", arguments: { a: { required: true } } }, "the argument `a` of `typo` has no `required`: there are description, optional, complete");
  refused(prompt, { name: "run" }, /the prompt `run` needs a function/, 1);
  refused(resource, { name: "no-uri" }, /the resource `no-uri` needs a URI/);
  refused(resource, { uri: "a:b" }, "the resource at a:b needs a name");
  refused(resource, { uri: "a:{b", name: "brace" }, /write `\{name\}` or `\{\+name\}`/);
  refused(resource, { uri: "a:{b}", name: "typo", complete: { c: () => [] } }, "the URI of `typo` has no `c`: there are b");
  resource({ uri: "a:twice", name: "one" }, () => {});
  refused(resource, { uri: "a:twice", name: "two" }, "two resources have the uri `a:twice`: give one another uri");
});

test("a form is a schema, less what MCP has not", () => {
  const { ask } = question.form("form", "Which?", z.object({ size: z.enum(["S", "L"]).default("S"), name: z.string().describe("Whose.") }));
  assert.equal(ask.val.message, "Which?");
  assert.deepEqual(JSON.parse(ask.val.requestedSchema), {
    type: "object",
    properties: { size: { default: "S", type: "string", enum: ["S", "L"] }, name: { description: "Whose.", type: "string" } },
    required: ["name"],
  });
});

test("an answer is read as the library reads it", async () => {
  const { read } = question.form("form", "Which?", z.object({ size: z.string().min(2).default("XL") }));
  assert.deepEqual(await read({ action: "accept", content: "{}" }), { action: "accept", value: { size: "XL" } });
  assert.deepEqual(await read({ action: "decline" }), { action: "decline" });
  await assert.rejects(read({ action: "accept", content: '{"size": "S"}' }), { kind: "failed", message: /the answer to `form` does not fit: `size`: / });
});

test("outside a component nobody hears, and there is nobody to ask", async () => {
  updated("a:text");
  await assert.rejects(elicit("sure", "Sure?", { type: "object" }), { name: "AskError", kind: "unsupported", message: /no host outside a component/ });
  await assert.rejects(ask([{}]), /a question is made by `question`/);
});
