// From a module of tools to a component: bundled by esbuild, then made a component by componentize-js.

import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";
import { build as bundle } from "esbuild";

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

const SDK = folder("../src/index.js");
const ENTRY = folder("./entry.js");
const OURS = [folder("../src/"), folder("./")];
const WIT = folder("../wit");

/** The bundle's name in errors and maps. It is not written there. */
const BUNDLE = "tools.js";

/** What a component may import beside the contract; one that does not use it does not import it. */
const IMPORTS = ["wasi:cli/environment@0.2.0", "wasi:keyvalue/store@0.2.0-draft"];

/** The part of `wasi:cli` that is used. */
const CLI = `package wasi:cli@0.2.0;
interface environment {
  get-environment: func() -> list<tuple<string, string>>;
}
`;

/** What is wrong with the author's module, in words. */
export class BuildError extends Error {
  name = "BuildError";
}

export async function build(entry) {
  const { code, map, imports } = await bundled(resolve(entry));
  const work = await mkdtemp(join(tmpdir(), "sandglass-build-"));
  try {
    const sourcePath = join(work, BUNDLE);
    await writeFile(sourcePath, code);
    const witPath = await world(join(work, "wit"), imports);
    const { component } = await componentize({ sourcePath, witPath, worldName: "tools", disableFeatures: ["fetch-event"] });
    return component;
  } catch (error) {
    throw new BuildError(`${entry} cannot be made a component: ${thrown(error.message, map)}`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The author's module with all that it imports and the contract's export, its map, and which of `IMPORTS` it uses. */
async function bundled(entry) {
  let result;
  try {
    result = await bundle({
      entryPoints: [ENTRY],
      outfile: BUNDLE,
      plugins: [authors(entry)],
      bundle: true,
      write: false,
      sourcemap: "external",
      metafile: true,
      absWorkingDir: process.cwd(),
      format: "esm",
      target: "es2022",
      charset: "utf8",
      logLevel: "silent",
      conditions: ["component"],
      mainFields: ["module", "main"],
      // One SDK, whatever the author's folder has installed: the tools are in its list.
      alias: { sandglass: SDK },
      external: ["sandglass:*", "wasi:*"],
    });
  } catch (error) {
    throw new BuildError((error.errors ?? [{ text: error.message }]).map(place).join("\n"), { cause: error });
  }
  const [map, code] = result.outputFiles.map(({ text }) => text);
  const { imports } = result.metafile.outputs[BUNDLE];
  const used = imports.map(({ path }) => path);
  return { code, map: new SourceMap(JSON.parse(map)), imports: IMPORTS.filter((path) => used.includes(path)) };
}

/** The author's module is what `entry.js` imports. Making tools is its effect, whatever its package says of effects. */
function authors(path) {
  return {
    name: "authors",
    setup({ onResolve }) {
      onResolve({ filter: /^authors-module$/ }, () => ({ path, sideEffects: true }));
    },
  };
}

/** As compilers write it: file, line, column, the line itself. */
function place({ text, location }) {
  if (!location) return text;
  const { file, line, column, lineText } = location;
  return `${file}:${line}:${column + 1}: ${text}\n  ${lineText}\n  ${" ".repeat(column)}^`;
}

/** Writes the world of the component with the packages that it needs; the folder. */
async function world(path, imports) {
  const lines = imports.map((name) => `  import ${name};\n`).join("");
  const text = `package sandglass:javascript;\n\nworld tools {\n  include sandglass:tool/everything@0.1.0;\n${lines}}\n`;
  await mkdir(join(path, "deps/cli"), { recursive: true });
  await writeFile(join(path, "world.wit"), text);
  await writeFile(join(path, "deps/cli/environment.wit"), CLI);
  await cp(join(WIT, "deps/keyvalue"), join(path, "deps/keyvalue"), { recursive: true, dereference: true });
  for (const file of (await readdir(WIT)).filter((file) => file.endsWith(".wit"))) {
    await cp(join(WIT, file), join(path, "deps/tool", file));
  }
  return path;
}

/** What the module threw when componentize-js ran it, with the author's line; it stands among the engine's own words. */
function thrown(told, map) {
  const error = told.match(/^tools\.js:\d+:\d+ (?<message>.*)$/m)?.groups.message;
  if (error === undefined) return told;
  for (const [, line, column] of told.matchAll(/^\s+\S*@tools\.js:(\d+):(\d+)$/gm)) {
    const { originalSource, originalLine, originalColumn } = map.findEntry(line - 1, column - 1);
    if (originalSource === undefined) continue;
    const file = resolve(originalSource);
    if (!OURS.some((ours) => file.startsWith(ours))) return `${error}\n  at ${relative(".", file)}:${originalLine + 1}:${originalColumn + 1}`;
  }
  return error;
}
