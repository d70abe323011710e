/**
 * Write a tool for AI agents as a plain function; `npx sandglass-build` makes a WebAssembly component of it that
 * Sandglass (or any host of `sandglass:tool`) serves over MCP and REST.
 *
 * ```js
 * import { tool } from "sandglass";
 *
 * tool(
 *   {
 *     name: "greet",
 *     description: "Greets a person.",
 *     input: {
 *       type: "object",
 *       properties: { name: { type: "string", description: "Whom to greet." } },
 *       required: ["name"],
 *     },
 *   },
 *   ({ name }) => `Hello, ${name}!`,
 * );
 * ```
 */

/** A JSON Schema; 2020-12 unless its `$schema` says otherwise. */
export interface JsonSchema {
  readonly [key: string]: unknown;
}

/**
 * A schema of a library that speaks Standard Schema (https://standardschema.dev) and can write JSON Schema: zod 4.2 or
 * later, arktype, valibot. The library is yours; the SDK brings none.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Hints about a tool's behaviour (MCP `ToolAnnotations`); clients must not trust them. */
export interface ToolAnnotations {
  /** It changes nothing. */
  readOnlyHint?: boolean;
  /** It may destroy what was there. */
  destructiveHint?: boolean;
  /** Calling it again with the same arguments changes nothing more. */
  idempotentHint?: boolean;
  /** It deals with the world outside, as a web search does. */
  openWorldHint?: boolean;
}

/** What a tool says of itself. */
export interface ToolDefinition<Input, Output> {
  /** Letters, digits, `_`, `-` and `.`; at most 128 characters. */
  name: string;
  /** For people. */
  title?: string;
  /** What it does and when to use it: the model reads this. */
  description: string;
  /** The arguments, an object. Without it the tool takes none. */
  input?: Input;
  /** The result's value. The host checks it. */
  output?: Output;
  annotations?: ToolAnnotations;
}

/** What the function gets: what the library reads, or for a JSON Schema an object that the host has checked. */
export type Arguments<Input> = Input extends StandardSchema<any, infer Read> ? Read : any;

/** What the function may give back where `output` is a library's schema. */
export type Value<Output> = Output extends StandardSchema<infer Given, any> ? Given : unknown;

/**
 * Makes a tool of a function, and gives the function back. Each call runs in a new instance: what a call leaves in
 * memory is not there in the next one.
 *
 * | the function returns, or its promise resolves to | the caller gets |
 * |---|---|
 * | a value that JSON can hold | the value |
 * | nothing (`undefined`) | nothing |
 * | a block of `content`, or a list of them | the blocks |
 * | `output(..)` | a value and blocks |
 *
 * What it throws is the tool's failure: the error's message reaches the caller.
 *
 * @throws {TypeError} when the module is built: the name is bad or taken, or the definition has unknown keys.
 */
export function tool<
  const Input extends JsonSchema | StandardSchema<any, any> = JsonSchema,
  const Output extends JsonSchema | StandardSchema<any, any> = JsonSchema,
  Run extends (input: Arguments<Input>) => Result<Value<Output>> = (input: Arguments<Input>) => Result<Value<Output>>,
>(definition: ToolDefinition<Input, Output>, run: Run): Run;

/** What a tool's function gives back. */
export type Result<T> = Given<T> | Promise<Given<T>>;
type Given<T> = T | void | Block | readonly Block[] | Output<T>;

declare const block: unique symbol;

/** A piece of a result for a reader (MCP `ContentBlock`). */
export interface Block {
  readonly [block]: true;
}

/** What a person has typed so far of an argument, and the arguments that are settled already. */
export interface Typing {
  value: string;
  settled: Record<string, string>;
}

/** Suggests what an argument may be, the best first. */
export type Completer = (typing: Typing) => string[] | Promise<string[]>;

/** What a prompt says of itself. */
export interface PromptDefinition<Arguments extends Record<string, PromptArgument>> {
  /** Letters, digits, `_`, `-` and `.`; at most 128 characters. */
  name: string;
  /** For people. */
  title?: string;
  description?: string;
  /** By their names. Without them the prompt takes none. */
  arguments?: Arguments & Record<string, PromptArgument>;
}

/** An argument of a prompt: a text. */
export interface PromptArgument {
  description?: string;
  /** It may be left out. */
  optional?: boolean;
  complete?: Completer;
}

/**
 * Makes a prompt of a function, and gives the function back: messages that a person picks. The function gets its
 * arguments as an object of texts; it returns, or its promise resolves to, a text or a block (which is what the user
 * says), a `message`, or a list of these. What it throws reaches the caller.
 *
 * @throws {TypeError} when the module is built: the name is bad or taken, or the definition has unknown keys.
 */
export function prompt<
  const Arguments extends Record<string, PromptArgument> = {},
  Run extends (given: PromptArguments<Arguments>) => PromptResult | Promise<PromptResult> = (
    given: PromptArguments<Arguments>,
  ) => PromptResult | Promise<PromptResult>,
>(definition: PromptDefinition<Arguments>, run: Run): Run;

/** What a prompt's function gets. */
export type PromptArguments<Arguments> = {
  [Name in keyof Arguments]: Arguments[Name] extends { optional: true } ? string | undefined : string;
};

/** What a prompt's function gives back. */
export type PromptResult = string | Block | Message | readonly (string | Block | Message)[];

declare const said: unique symbol;

/** A message of a prompt. */
export interface Message {
  readonly [said]: true;
}

/** Makes messages of prompts, of a text or a block. */
export const message: {
  /** What the user says. */
  user(content: string | Block): Message;
  /** What the model is to have said. */
  assistant(content: string | Block): Message;
};

/** What a resource says of itself. */
export interface ResourceDefinition<Uri extends string> {
  /** `{name}` stands for a part without `/`, `{+name}` for one with it (RFC 6570); with them it is a family of resources. */
  uri: Uri;
  name: string;
  /** For people. */
  title?: string;
  description?: string;
  mimeType?: string;
  /** Completes the URI's variables, by their names. */
  complete?: Record<string, Completer>;
}

/**
 * Makes a resource of a function, and gives the function back: what a client can read by URI. The function gets the
 * URI's variables as an object of texts; it returns, or its promise resolves to, what is there: a text, bytes,
 * `ResourceContents` or a list of these; nothing where there is nothing. What it throws reaches the caller.
 *
 * @throws {TypeError} when the module is built: the URI is bad or taken, or the definition has unknown keys.
 */
export function resource<
  const Uri extends string,
  Run extends (variables: Variables<Uri>) => ResourceResult | Promise<ResourceResult>,
>(definition: ResourceDefinition<Uri>, run: Run): Run;

/** The variables of a URI. */
export type Variables<Uri extends string> = Uri extends `${string}{${infer Variable}}${infer Rest}`
  ? { [Name in Variable extends `+${infer Plain}` ? Plain : Variable]: string } & Variables<Rest>
  : {};

/** What a resource's function gives back. */
export type ResourceResult = Held | readonly Held[] | void | undefined | null;
type Held = string | Uint8Array | ArrayBuffer | ResourceContents;

/** What a resource holds: `text` or `blob`. */
export type ResourceContents = { uri: string; mimeType?: string } & (
  | { text: string; blob?: undefined }
  | { blob: Uint8Array | ArrayBuffer; text?: undefined }
);

/**
 * Asks a person to fill in a form: a JSON Schema of an object whose properties are text, numbers, booleans or choices
 * (MCP `elicitation/create`), or a schema of a library. `key` is the question's name within this call.
 *
 * The host may end the call here and run it again from its start with the answer at hand. So one rule holds: what
 * happens before a question may happen again.
 *
 * @throws {AskError} there is nobody to ask, or no answer came; in Node always.
 */
export function elicit<const Form extends JsonSchema | StandardSchema<any, any>>(
  key: string,
  message: string,
  form: Form,
): Promise<Elicited<Arguments<Form>>>;

/**
 * Asks a person to open a page. `id` names it in a later notice that it is done.
 * @throws {AskError} as `elicit`.
 */
export function elicitUrl(key: string, message: string, url: string, id: string): Promise<Elicited<undefined>>;

/**
 * Asks the model: parameters and result are those of MCP `sampling/createMessage`.
 * @throws {AskError} as `elicit`.
 */
export function sample(key: string, parameters: object): Promise<any>;

/**
 * The folders and files that the client lets servers work on.
 * @throws {AskError} as `elicit`.
 */
export function roots(key?: string): Promise<Root[]>;

/**
 * Asks several questions at once; the answers come in their order.
 * @throws {AskError} as `elicit`.
 */
export function ask<const Questions extends readonly Question<any>[]>(
  questions: Questions,
): Promise<{ -readonly [Index in keyof Questions]: Questions[Index] extends Question<infer Answer> ? Answer : never }>;

declare const answered: unique symbol;

/** A question, and what its answer is. */
export interface Question<Answer> {
  readonly [answered]: Answer;
}

/** Makes questions for `ask`; they are those of `elicit`, `elicitUrl`, `sample` and `roots`. */
export const question: {
  form<const Form extends JsonSchema | StandardSchema<any, any>>(key: string, message: string, form: Form): Question<Elicited<Arguments<Form>>>;
  url(key: string, message: string, url: string, id: string): Question<Elicited<undefined>>;
  sample(key: string, parameters: object): Question<any>;
  roots(key: string): Question<Root[]>;
};

/** What a person did with a form or a page; `value` is the filled form, and only there once it is accepted. */
export interface Elicited<Value> {
  action: "accept" | "decline" | "cancel";
  value?: Value;
}

/** A folder or file. */
export interface Root {
  uri: string;
  name?: string;
}

/** Why there is no answer: the client can't be asked that, nobody answered in time, or it answered with an error. */
export class AskError extends Error {
  kind: "unsupported" | "timed-out" | "failed";
}

/** Hints for the client about a block (MCP `Annotations`). */
export interface Annotations {
  /** Whom it is meant for; without it, for everybody. */
  audience?: ("user" | "assistant")[];
  /** 0 (optional reading) to 1 (required). */
  priority?: number;
  /** ISO 8601 date and time. */
  lastModified?: string;
}

/** Makes blocks. Bytes are given as they are: the host encodes them. */
export const content: {
  text(text: string, annotations?: Annotations): Block;
  image(data: Uint8Array | ArrayBuffer, mimeType: string, annotations?: Annotations): Block;
  audio(data: Uint8Array | ArrayBuffer, mimeType: string, annotations?: Annotations): Block;
  /** A resource with what it holds: `text` or `blob`. */
  resource(
    resource: { uri: string; mimeType?: string } & ({ text: string; blob?: undefined } | { blob: Uint8Array | ArrayBuffer; text?: undefined }),
    annotations?: Annotations,
  ): Block;
  /** A resource that the client may fetch; `size` in bytes. */
  link(
    link: { uri: string; name: string; title?: string; description?: string; mimeType?: string; size?: number },
    annotations?: Annotations,
  ): Block;
};

declare const made: unique symbol;

/** A value together with blocks. */
export interface Output<T> {
  readonly [made]: T;
}

/**
 * A value for programs together with blocks for readers; without blocks the host makes a text of the value. `isError`:
 * the tool ran, and what was asked failed all the same; where a message is all there is to tell, throw instead.
 */
export function output<T>(value: T, options?: { content?: Block | readonly Block[]; isError?: boolean }): Output<T>;

/** Writes a message to the host's log and to clients that listen: text, or what JSON can hold. In Node it does nothing. */
export const log: Record<
  "debug" | "info" | "notice" | "warning" | "error" | "critical" | "alert" | "emergency",
  (message: unknown, logger?: string) => void
>;

/** Tells the caller how far the call is: `done` must grow, `total` is what it will have grown to. In Node it does nothing. */
export function progress(done: number, total?: number, message?: string): void;

/** Tells clients that have subscribed to it that a resource has changed, once the call has ended. In Node it does nothing. */
export function updated(uri: string): void;

/** True once the caller no longer wants the answer. The host stops the call soon after by itself. In Node it is false. */
export function cancelled(): boolean;

/** A variable of the environment, or a secret, that the operator grants under this name: `allow: { env: { NAME: .. } }`. */
export function env(name: string): string | undefined;

/** A key-value store that the operator grants: what a tool keeps from one call to the next. In Node it is in memory. */
export interface Store {
  get(key: string): Uint8Array | undefined;
  /** The value as UTF-8 text. */
  getText(key: string): string | undefined;
  /** Sets the value; text is written as UTF-8. */
  set(key: string, value: string | Uint8Array): void;
  delete(key: string): void;
  has(key: string): boolean;
  /** All keys, in order. */
  keys(): string[];
}

/**
 * Opens the store of this name.
 * @throws {StoreError} the operator grants no such store; its methods throw it where the host cannot do it.
 */
export function openStore(name: string): Store;

/** Why a store did not do what was asked. */
export class StoreError extends Error {}
