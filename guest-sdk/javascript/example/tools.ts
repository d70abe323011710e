// Every part of the SDK once; the end-to-end tests serve it.

import { content, env, log, openStore, output, progress, tool } from "sandglass";
import { z } from "zod";

tool(
  {
    name: "greet",
    title: "Greet",
    description: "Greets a person.",
    input: z.object({
      name: z.string().min(1).describe("Whom to greet."),
      times: z.number().int().min(1).max(3).default(1).describe("How often."),
    }),
    output: z.string(),
    annotations: { readOnlyHint: true },
  },
  ({ name, times }) => Array(times).fill(`Hello, ${name}!`).join(" "),
);

tool(
  {
    name: "fetch_text",
    description: "Fetches a page. The operator grants its host.",
    input: {
      type: "object",
      properties: { url: { type: "string", description: "Its address." } },
      required: ["url"],
      additionalProperties: false,
    },
  },
  async ({ url }: { url: string }) => {
    const response = await fetch(url, { headers: { "x-unit": env("UNIT") ?? "none" } });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    return { status: response.status, text: await response.text() };
  },
);

tool(
  {
    name: "count",
    description: "Counts how often it was called.",
    output: z.object({ count: z.number().int() }),
  },
  () => {
    const store = openStore("counters");
    const count = Number(store.getText("calls") ?? 0) + 1;
    store.set("calls", String(count));
    return output({ count }, { content: content.text(`call ${count}`) });
  },
);

let calls = 0;

tool({ name: "fresh", description: "What differs from call to call, and what must not stay." }, async () => {
  log.info("fresh is called");
  progress(1, 2, "half");
  await Promise.resolve();
  calls += 1;
  return { calls, random: Math.random(), uuid: crypto.randomUUID(), now: Date.now() };
});
