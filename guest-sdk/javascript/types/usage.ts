// Compiled by `test/types.test.js`, not run: what the types let through, and what they do not.

import { ask, content, elicit, message, output, prompt, question, resource, tool } from "sandglass";
import { call } from "sandglass/testing";
import { z } from "zod";

tool({ name: "a", description: "", input: z.object({ n: z.number().default(1) }), output: z.string() }, ({ n }) => n.toFixed());
tool({ name: "b", description: "", input: { type: "object" } }, ({ anything }) => ({ anything }));
tool({ name: "c", description: "" }, () => [content.text("hi")]);
tool({ name: "d", description: "", output: z.number() }, async () => output(4, { content: content.text("four") }));
const same: () => number = tool({ name: "e", description: "" }, () => 1);
(await call("e")).value satisfies unknown;

// @ts-expect-error: the schema says number
tool({ name: "f", description: "", input: z.object({ n: z.number() }) }, ({ n }) => n.toUpperCase());
// @ts-expect-error: the schema says text
tool({ name: "g", description: "", output: z.string() }, () => 4);
// @ts-expect-error: there is no such hint
tool({ name: "h", description: "", annotations: { readOnly: true } }, () => same());

prompt({ name: "i", arguments: { a: {}, b: { optional: true, complete: ({ value }) => [value] } } }, ({ a, b }) => [a.trim(), message.user(b ?? "")]);
prompt({ name: "j" }, async () => content.text("hi"));
// @ts-expect-error: it may be left out
prompt({ name: "k", arguments: { a: { optional: true } } }, ({ a }) => a.trim());
// @ts-expect-error: a number is no message
prompt({ name: "l" }, () => 1);

resource({ uri: "a://{x}/{+y}", name: "m", complete: { x: () => ["1"] } }, ({ x, y }) => (x === y ? undefined : new Uint8Array()));
resource({ uri: "a:b", name: "n" }, () => [{ uri: "a:c", text: "c" }, "d"]);
// @ts-expect-error: there is no such variable
resource({ uri: "a://{x}", name: "o" }, ({ z }) => z);

const sure = await elicit("sure", "Sure?", z.object({ yes: z.boolean() }));
sure.value?.yes satisfies boolean | undefined;
const [form, found] = await ask([question.form("form", "Which?", { type: "object" }), question.roots("roots")]);
[form.action, found[0]?.uri] satisfies [string, string | undefined];
// @ts-expect-error: a form is a schema
await elicit("sure", "Sure?", "yes");
