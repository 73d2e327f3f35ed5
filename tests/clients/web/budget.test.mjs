// How many surfels a device gets: fewer when it is slow, more when it is fast and could use them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Budget, FIRST, LEAST, MOST } from "../../../clients/web/budget.js";

function draws(budget, milliseconds, surfels, pictures = 24) {
  let changes = 0;
  for (let i = 0; i < pictures; i++) changes += Number(budget.drew(budget.last + milliseconds, surfels));
  return changes;
}

test("a slow device gets fewer, down to the least", () => {
  const budget = new Budget();
  assert.equal(draws(budget, 80, 500_000), 1);
  assert.ok(budget.surfels < FIRST);
  for (let i = 0; i < 20; i++) draws(budget, 80, 500_000);
  assert.equal(budget.surfels, LEAST);
  assert.equal(draws(budget, 80, 500_000), 0, "and is not told again");
});

test("a fast one gets more only while it draws nearly what it may", () => {
  const budget = new Budget();
  assert.equal(draws(budget, 12, 40_000), 0);
  for (let i = 0; i < 9; i++) draws(budget, 12, budget.surfels * 0.6);
  assert.equal(budget.surfels, MOST);
});

test("pauses say nothing, and one slow picture neither", () => {
  const budget = new Budget();
  assert.equal(draws(budget, 5000, 500_000, 60), 0);
  draws(budget, 30, 500_000, 20);
  draws(budget, 200, 500_000, 4);
  assert.equal(budget.surfels, FIRST);
});
