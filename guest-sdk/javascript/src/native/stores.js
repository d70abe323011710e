// What a tool finds outside a component: stores in memory, with the functions of the host's. Every name opens one, and
// it is empty at first.

const stores = new Map();

export function open(name) {
  if (!stores.has(name)) stores.set(name, new Map());
  return new Bucket(stores.get(name));
}

class Bucket {
  #values;

  constructor(values) {
    this.#values = values;
  }

  get(key) {
    return this.#values.get(key);
  }

  set(key, value) {
    this.#values.set(key, value);
  }

  delete(key) {
    this.#values.delete(key);
  }

  exists(key) {
    return this.#values.has(key);
  }

  /** One key a page, so that whoever lists has to turn pages. */
  listKeys(cursor) {
    const place = Number(cursor ?? 0n);
    const keys = [...this.#values.keys()];
    const next = place + 1 < keys.length ? BigInt(place + 1) : undefined;
    return { keys: keys.slice(place, place + 1), cursor: next };
  }
}
