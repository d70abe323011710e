// The engine's own `fetch`, with an error that says what an operator can do.

const engine = globalThis.fetch;

globalThis.fetch = async function fetch(resource, options) {
  try {
    return await engine(resource, options);
  } catch (error) {
    throw new TypeError(explain(resource, error), { cause: error });
  }
};

/** The engine tells a refusal by the host, or a limit, from a server that is out of reach no better than a browser does. */
function explain(resource, { message }) {
  let url;
  try {
    url = new URL(resource instanceof Request ? resource.url : resource);
  } catch {
    return message;
  }
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return `cannot fetch ${url.origin}: it is not granted, out of reach, or over this call's limit of requests; an operator changes that at this tool's source: \`allow: { http: [ { host: ${url.hostname}, port: ${port} } ] }\`, \`limits: { http: { requests: .. } }\``;
}
