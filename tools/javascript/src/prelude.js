// The globals that a tool finds beside the language itself, made of the host's functions. What is here is what the
// documentation lists; a tool that needs the whole web platform is built with the JavaScript SDK.

(host) => {
  const define = (globals) => {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
    }
  };

  Math.random = host.random;

  // console

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value}${value.stack ? `\n${value.stack.trimEnd()}` : ""}`;
    if (typeof value !== "object") return String(value);
    try {
      return JSON.stringify(value);
    } catch {
      return String(value);
    }
  };
  const logged = (level) => (...values) => host.log(level, values.map(shown).join(" "));
  const console = { debug: logged("debug"), warn: logged("warn"), error: logged("error"), info: logged("info") };
  console.log = console.info;

  // process.env, read when it is first asked for

  const process = {
    get env() {
      const env = host.environment();
      Object.defineProperty(process, "env", { value: env });
      return env;
    },
  };

  // Text and random bytes

  const bytesOf = (data) => {
    if (data instanceof Uint8Array) return data;
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw new TypeError("bytes are a Uint8Array or an ArrayBuffer");
  };

  class TextEncoder {
    encoding = "utf-8";

    encode(text = "") {
      return host.encode(String(text));
    }
  }

  class TextDecoder {
    encoding = "utf-8";
    #strict;

    constructor(label = "utf-8", { fatal = false } = {}) {
      if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder knows only utf-8, not ${label}`);
      this.#strict = fatal;
    }

    decode(data = new Uint8Array()) {
      const text = host.decode(bytesOf(data), this.#strict);
      if (text === undefined || text === null) throw new TypeError("the bytes are not UTF-8");
      return text;
    }
  }

  const crypto = {
    getRandomValues(array) {
      const bytes = bytesOf(array);
      bytes.set(host.randomBytes(bytes.length));
      return array;
    },

    randomUUID() {
      const bytes = host.randomBytes(16);
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    },
  };

  const structuredClone = (value) => {
    if (value === undefined) return undefined;
    return JSON.parse(JSON.stringify(value));
  };

  // Timers

  const cleared = new Set();
  let timers = 0;
  const setTimeout = (run, milliseconds = 0, ...args) => {
    const timer = ++timers;
    host.sleep(Number(milliseconds) || 0).then(() => cleared.delete(timer) || run(...args));
    return timer;
  };
  const clearTimeout = (timer) => void cleared.add(timer);

  // HTTP

  class URLSearchParams {
    #pairs;

    constructor(given = "") {
      if (typeof given === "string") {
        const parts = given.replace(/^\?/, "").split("&").filter(Boolean);
        const plain = (text) => decodeURIComponent(text.replaceAll("+", " "));
        this.#pairs = parts.map((part) => {
          const [name, ...value] = part.split("=");
          return [plain(name), plain(value.join("="))];
        });
      } else {
        const pairs = typeof given[Symbol.iterator] === "function" ? [...given] : Object.entries(given);
        this.#pairs = pairs.map(([name, value]) => [String(name), String(value)]);
      }
    }

    append(name, value) {
      this.#pairs.push([String(name), String(value)]);
    }

    set(name, value) {
      this.delete(name);
      this.append(name, value);
    }

    delete(name) {
      this.#pairs = this.#pairs.filter(([known]) => known !== name);
    }

    get(name) {
      return this.getAll(name)[0] ?? null;
    }

    getAll(name) {
      return this.#pairs.filter(([known]) => known === name).map(([, value]) => value);
    }

    has(name) {
      return this.getAll(name).length > 0;
    }

    toString() {
      const written = (text) =>
        encodeURIComponent(text)
          .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
          .replaceAll("%20", "+");
      return this.#pairs.map(([name, value]) => `${written(name)}=${written(value)}`).join("&");
    }

    [Symbol.iterator]() {
      return this.#pairs.map((pair) => [...pair])[Symbol.iterator]();
    }
  }

  class Headers {
    #values = new Map();

    constructor(given = []) {
      const pairs = typeof given[Symbol.iterator] === "function" ? given : Object.entries(given);
      for (const [name, value] of pairs) this.append(name, value);
    }

    append(name, value) {
      const before = this.get(name);
      this.set(name, before === null ? value : `${before}, ${value}`);
    }

    set(name, value) {
      this.#values.set(String(name).toLowerCase(), String(value).trim());
    }

    get(name) {
      return this.#values.get(String(name).toLowerCase()) ?? null;
    }

    has(name) {
      return this.#values.has(String(name).toLowerCase());
    }

    delete(name) {
      this.#values.delete(String(name).toLowerCase());
    }

    [Symbol.iterator]() {
      return this.#values[Symbol.iterator]();
    }
  }

  class Response {
    #body;

    constructor(url, { status, headers, body }) {
      this.url = url;
      this.status = status;
      this.ok = status >= 200 && status < 300;
      this.headers = new Headers(headers);
      this.#body = body;
    }

    async bytes() {
      return this.#body;
    }

    async arrayBuffer() {
      return this.#body.buffer;
    }

    async text() {
      const text = host.decode(this.#body, false);
      // Not by a pattern: the engine would look for it at each place of the text.
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }

    async json() {
      return JSON.parse(await this.text());
    }
  }

  const granting = (url) => {
    const [, scheme, host, port] = /^(https?):\/\/([^/?#:]+)(?::(\d+))?/i.exec(url) ?? [];
    if (host === undefined) return "";
    const known = port ?? (scheme.toLowerCase() === "https" ? "443" : "80");
    return `; an operator grants it at this tool's source, \`allow: { http: [ { host: ${host}, port: ${known} } ] }\``;
  };

  const payload = (body, headers) => {
    if (body === undefined || body === null) return undefined;
    const [kind, bytes] =
      typeof body === "string"
        ? ["text/plain;charset=UTF-8", host.encode(body)]
        : body instanceof URLSearchParams
          ? ["application/x-www-form-urlencoded;charset=UTF-8", host.encode(String(body))]
          : [undefined, bytesOf(body)];
    if (kind !== undefined && !headers.has("content-type")) headers.set("content-type", kind);
    return bytes;
  };

  const fetch = async (address, { method = "GET", headers: given, body } = {}) => {
    const url = String(address);
    const headers = new Headers(given);
    const bytes = payload(body, headers);
    let response;
    try {
      response = await host.send(String(method).toUpperCase(), url, [...headers], bytes);
    } catch (error) {
      const told = error instanceof Error ? error.message : String(error);
      throw new TypeError(`cannot fetch ${url}: ${told}${told === "it is not granted" ? granting(url) : ""}`);
    }
    return new Response(url, response);
  };

  define({
    console,
    process,
    TextEncoder,
    TextDecoder,
    crypto,
    structuredClone,
    setTimeout,
    clearTimeout,
    URLSearchParams,
    Headers,
    fetch,
  });
};
