#!/usr/bin/env node
// `sandglass-build ENTRY [-o FILE]`: see `HELP`.

import { readFile, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { parseArgs } from "node:util";

import { build } from "../build/index.js";

const HELP = `Builds a component of a module of tools.

Usage: sandglass-build ENTRY [--output FILE]

  ENTRY                 the module, JavaScript or TypeScript
  -o, --output FILE     the component; ENTRY's name with .wasm by default
`;

async function main() {
  const { values, positionals } = parseArgs({
    options: { output: { type: "string", short: "o" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  if (values.help) return console.log(HELP.trimEnd());
  const [entry, ...more] = positionals;
  if (entry === undefined || more.length > 0) throw new Error(`one module is needed\n\n${HELP}`);
  await readFile(entry);
  const output = values.output ?? `${basename(entry, extname(entry))}.wasm`;
  const component = await build(entry);
  await writeFile(output, component);
  console.error(`${basename(output)}: ${(component.length / 1024 / 1024).toFixed(1)} MiB`);
}

try {
  await main();
} catch (error) {
  console.error(`sandglass-build: ${error.message}`);
  process.exitCode = 1;
}
