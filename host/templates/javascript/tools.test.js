import assert from "node:assert/strict";
import { test } from "node:test";

import "./tools.js";
import { call } from "sandglass/testing";

test("a person is greeted", async () => {
  assert.equal((await call("greet", { name: "Ada" })).value, "Hello, Ada!");
});
