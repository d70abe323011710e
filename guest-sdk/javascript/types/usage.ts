// Compiled by `test/types.test.js`, not run: what the types let through, and what they do not.

import { content, output, tool } from "sandglass";
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
