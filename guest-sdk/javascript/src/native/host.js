// What a tool finds outside a component: nobody listens.

export function log() {}

export function progress() {}

export function cancelled() {
  return false;
}
