// Labels of people who look at one place stand below each other.
import assert from "node:assert/strict";
import { test } from "node:test";

import { free } from "../../../clients/web/overlay.js";

const HEIGHT = 19;
const covers = (/** @type {{x: number, y: number, width: number}} */ a, /** @type {typeof a} */ b) => a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < HEIGHT;

test("no label covers another, wherever they want to be", () => {
  let seed = 7;
  const next = (/** @type {number} */ below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round++) {
    /** @type {{x: number, y: number, width: number}[]} */
    const labels = [];
    for (let i = 0; i < 12; i++) {
      const [x, y, width] = [next(200), next(120), 30 + next(90)];
      labels.push({ x, y: free(labels, x, y, width), width });
    }
    for (const [i, one] of labels.entries()) for (const other of labels.slice(0, i)) assert.ok(!covers(one, other), JSON.stringify([one, other]));
  }
});

test("a label that covers nothing stays where it wants to be", () => {
  assert.equal(free([{ x: 0, y: 50, width: 40 }], 60, 50, 40), 50);
  assert.equal(free([{ x: 0, y: 50, width: 40 }], 10, 90, 40), 90);
  assert.equal(free([{ x: 0, y: 50, width: 40 }], 10, 40, 40), 71);
});
