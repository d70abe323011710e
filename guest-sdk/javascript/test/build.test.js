// The build, as far as it takes no half minute: modules that cannot be made a component. The end-to-end tests make one.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { build } from "sandglass/build";

let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandglass-test-"));
});

after(() => rm(folder, { recursive: true }));

async function refused(name, text) {
  const file = join(folder, name);
  await writeFile(file, text);
  try {
    await build(file);
  } catch (error) {
    assert.equal(error.name, "BuildError");
    return error.message;
  }
  assert.fail(`${name} is built`);
}

test("a syntax error has its file, line, column and the line itself", async () => {
  const told = await refused("syntax.ts", 'import { tool } from "sandglass";\ntool({ name: "x" }, ( => 1);\n');
  assert.match(told, /syntax\.ts:2:23: Unexpected "=>"\n  tool\(\{ name: "x" \}, \( => 1\);\n {24}\^$/);
});

test("what is imported and is not there is named", async () => {
  assert.match(await refused("import.js", 'import "./nowhere.js";'), /import\.js:1:8: Could not resolve "\.\/nowhere\.js"/);
});

test("a definition that is refused has the author's line", async () => {
  const told = await refused("name.ts", 'import { tool } from "sandglass";\n\ntool({ name: "two words" }, () => 1);\n');
  assert.match(told, /`two words` cannot be a tool's name.*\n  at .*name\.ts:3:1$/);
});

test("a module without tools is refused", async () => {
  assert.match(await refused("none.js", "export const a = 1;"), /the module makes no tool: call `tool\(/);
});
