import { getEnvironment } from "#environment";

export function env(name) {
  return getEnvironment().find(([known]) => known === name)?.[1];
}
