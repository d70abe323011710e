// The types in `index.d.ts`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import ts from "typescript";

test("the types let through what is right, and nothing else", () => {
  const file = fileURLToPath(new URL("../types/usage.ts", import.meta.url));
  const program = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
    skipLibCheck: false,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
  });
  const told = ts.getPreEmitDiagnostics(program).filter(({ file }) => !file?.fileName.includes("node_modules"));
  assert.equal(ts.formatDiagnostics(told, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => "", getNewLine: () => "\n" }), "");
});
