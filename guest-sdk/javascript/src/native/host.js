// What a tool finds outside a component: nobody listens, and nobody asks.

export function log() {}

export function progress() {}

export function updated() {}

export function cancelled() {
  return false;
}

export function ask() {
  throw Object.assign(new Error(), { payload: { tag: "unsupported", val: "there is no host outside a component" } });
}
