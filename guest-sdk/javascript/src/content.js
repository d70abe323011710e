// Content blocks, as the contract's `content` has them.

/** One block. Authors get it from `content`. */
export class Block {
  constructor(tag, value) {
    this.tag = tag;
    this.val = value;
  }
}

export const content = {
  text(text, annotations) {
    return new Block("text", { text: String(text), annotations: hints(annotations) });
  },

  image(data, mimeType, annotations) {
    return new Block("image", media(data, mimeType, annotations));
  },

  audio(data, mimeType, annotations) {
    return new Block("audio", media(data, mimeType, annotations));
  },

  resource({ uri, text, blob, mimeType }, annotations) {
    const body = blob === undefined ? { tag: "text", val: String(text) } : { tag: "blob", val: bytes(blob) };
    return new Block("embedded-resource", { resource: { uri, mimeType, body }, annotations: hints(annotations) });
  },

  link({ uri, name, title, description, mimeType, size }, annotations) {
    const wide = size === undefined ? undefined : BigInt(size);
    return new Block("resource-link", {
      uri,
      name,
      title,
      description,
      mimeType,
      size: wide,
      icons: [],
      annotations: hints(annotations),
    });
  },
};

function media(data, mimeType, annotations) {
  return { data: bytes(data), mimeType, annotations: hints(annotations) };
}

export function bytes(data) {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError("the bytes of a content block are a Uint8Array or an ArrayBuffer");
}

function hints(annotations) {
  if (annotations === undefined) return undefined;
  const { audience = [], priority, lastModified } = annotations;
  return { audience, priority, lastModified };
}
