// What a tool finds outside a component: the environment of the process.

export function getEnvironment() {
  return Object.entries(process.env);
}
