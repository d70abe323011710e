import { elicit, progress, prompt, resource, tool, updated } from "sandglass";

const NOTES = { mail: "Answer Ada's letter.", milk: "Buy milk." };

const names = ({ value }) => Object.keys(NOTES).filter((name) => name.startsWith(value));

prompt(
  {
    name: "rewrite",
    description: "Rewrites a note.",
    arguments: {
      name: { description: "Which note.", complete: names },
      tone: { description: "How it is to sound.", optional: true },
    },
  },
  ({ name, tone = "plain" }) => `Rewrite in a ${tone} tone: ${NOTES[name]}`,
);

resource(
  { uri: "notes://index", name: "index", description: "The names of all notes.", mimeType: "text/plain" },
  () => Object.keys(NOTES).join("\n"),
);

resource(
  {
    uri: "notes://note/{name}",
    name: "note",
    description: "A note by its name.",
    mimeType: "text/plain",
    complete: { name: names },
  },
  ({ name }) => NOTES[name],
);

const SURE = {
  type: "object",
  properties: { delete: { type: "boolean", description: "Whether the note may go." } },
  required: ["delete"],
};

tool(
  {
    name: "delete",
    description: "Deletes a note, if a person agrees.",
    input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  },
  async ({ name }) => {
    const sure = await elicit("sure", `Delete ${name}?`, SURE);
    if (!sure.value?.delete) return `Kept ${name}`;
    progress(1, 1, "deleted");
    updated("notes://index");
    return `Deleted ${name}`;
  },
);
