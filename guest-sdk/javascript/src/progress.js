import * as host from "#host";

export function progress(done, total, message) {
  host.progress(done, total, message);
}

export function cancelled() {
  return host.cancelled();
}
