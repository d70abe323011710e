import * as host from "#host";

/** As the contract's `log-level` has them. */
const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

export const log = Object.fromEntries(LEVELS.map((level) => [level, (message, logger) => write(level, message, logger)]));

function write(level, message, logger) {
  let data;
  try {
    data = JSON.stringify(message);
  } catch {
    // What can't be written can't be logged; a log line is no reason to fail a call.
  }
  if (data !== undefined) host.log(level, data, logger);
}
