// What of the SDK `notes.js` does not use.

import { ask, AskError, content, elicit, message, prompt, question, resource, tool } from "sandglass";
import "./notes.js";

const PIXEL = new TextEncoder().encode("\u0080PNG");

const ORDER = {
  type: "object",
  properties: {
    name: { type: "string" },
    size: { type: "string", enum: ["small", "large"], default: "small" },
    count: { type: "integer", description: "How many." },
    gift: { type: "boolean", default: false },
  },
  required: ["name"],
};

tool({ name: "ask_all", description: "Asks everything at once." }, async () => {
  const [form, page, sampled, roots] = await ask([
    question.form("order", "What?", ORDER),
    question.url("page", "Sign in", "https://example.com/sign-in", "sign-in-1"),
    question.sample("greeting", { messages: [{ role: "user", content: { type: "text", text: "Hello" } }], maxTokens: 10 }),
    question.roots("roots"),
  ]);
  return { order: form.value, page: page.action, text: sampled.content.text, roots: roots.map(({ uri }) => uri) };
});

tool({ name: "ask_or_not", description: "Asks, and says why there is no answer." }, async () => {
  try {
    return (await elicit("name", "Who?", { type: "object", properties: { name: { type: "string" } } })).action;
  } catch (error) {
    return error instanceof AskError ? `${error.kind}: ${error.message}` : String(error);
  }
});

prompt(
  { name: "look", title: "Look", description: "Looks at an image.", arguments: { times: {} } },
  ({ times }) => [...Array(Number(times)).fill(content.image(PIXEL, "image/png")), message.assistant("I see.")],
);

resource({ uri: "pixel:one", name: "a pixel", description: "An image.", mimeType: "image/png" }, () => PIXEL);

resource({ uri: "files:///{+path}", name: "tree", description: "A file and its like." }, ({ path }) => {
  if (path === "none") throw new Error("the disk is full");
  return [{ uri: `files:///${path}`, text: path }, { uri: "files:///b", blob: new TextEncoder().encode("b"), mimeType: "text/plain" }];
});
