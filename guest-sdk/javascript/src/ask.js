// Questions to the person or the model behind the client.

import * as host from "#host";

import { Schema } from "./schema.js";

/** Why there is no answer. */
export class AskError extends Error {
  name = "AskError";

  constructor(kind, message, options) {
    super(message, options);
    this.kind = kind;
  }
}

/** A question, and how its answer is read. Authors get it from `question`. */
class Question {
  constructor(key, ask, read) {
    this.key = key;
    this.ask = ask;
    this.read = read;
  }
}

export const question = {
  form(key, message, given) {
    const schema = new Schema(given, `the form of \`${key}\``);
    const { type, properties, required } = JSON.parse(schema.json("input"));
    const requestedSchema = JSON.stringify({ type, properties, required });
    return new Question(key, { tag: "elicit-form", val: { message, requestedSchema } }, async ({ action, content }) => {
      if (action !== "accept") return { action };
      return { action, value: await filled(key, schema, content) };
    });
  },

  url(key, message, url, elicitationId) {
    return new Question(key, { tag: "elicit-url", val: { message, url, elicitationId } }, ({ action }) => ({ action }));
  },

  sample(key, parameters) {
    return new Question(key, { tag: "sample", val: JSON.stringify(parameters) }, (result) => JSON.parse(result));
  },

  roots(key) {
    return new Question(key, { tag: "list-roots" }, (roots) => roots.map(({ uri, name }) => ({ uri, name })));
  },
};

export async function ask(questions) {
  const other = questions.find((one) => !(one instanceof Question));
  if (other !== undefined) throw new TypeError("a question is made by `question`: question.form(..), .url, .sample or .roots");
  let answers;
  try {
    answers = host.ask(questions.map(({ key, ask }) => ({ key, ask })));
  } catch (error) {
    throw failure(error);
  }
  return Promise.all(questions.map(({ read }, index) => read(answers[index].val)));
}

export async function elicit(key, message, schema) {
  return one(question.form(key, message, schema));
}

export async function elicitUrl(key, message, url, id) {
  return one(question.url(key, message, url, id));
}

export async function sample(key, parameters) {
  return one(question.sample(key, parameters));
}

export async function roots(key = "roots") {
  return one(question.roots(key));
}

async function one(question) {
  const [answer] = await ask([question]);
  return answer;
}

async function filled(key, schema, content) {
  try {
    return await schema.read(JSON.parse(content ?? "{}"));
  } catch (error) {
    throw new AskError("failed", `the answer to \`${key}\` does not fit: ${error.message}`, { cause: error });
  }
}

/** The contract's `ask-error` as one that says what to do. */
function failure(error) {
  const { tag, val } = error.payload ?? {};
  if (tag === undefined) return error;
  return new AskError(tag, val ?? "nobody answered in time", { cause: error });
}
