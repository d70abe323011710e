/**
 * Makes a component of a module of tools (JavaScript or TypeScript): bundled by esbuild, then made a component by
 * componentize-js. The component's bytes.
 * @throws {BuildError} something is wrong with the module.
 */
export function build(entry: string): Promise<Uint8Array>;

/** What is wrong with the author's module, in words. */
export class BuildError extends Error {}
