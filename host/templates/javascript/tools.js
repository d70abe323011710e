import { tool } from "sandglass";

tool(
  {
    name: "greet",
    description: "Greets a person.",
    input: {
      type: "object",
      properties: { name: { type: "string", description: "Whom to greet." } },
      required: ["name"],
      additionalProperties: false,
    },
    output: { type: "string" },
  },
  ({ name }) => `Hello, ${name}!`,
);
