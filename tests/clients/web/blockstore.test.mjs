// What the page holds and shows: nothing is ever missing while blocks come, fade, and go; nothing is used twice.
import assert from "node:assert/strict";
import { test } from "node:test";

import { BlockStore } from "../../../clients/web/blockstore.js";
import { PAGE } from "../../../clients/web/culling.js";
import { mipShare, weight } from "../../../clients/web/scales.js";

const cell = (level, x = 0n) => ({ level, index: [x, 0n, 0n] });
const coming = (hash, more = {}) => ({ hash, block: hash, node: "root", cell: cell(3), level: 0, count: 300, revision: 1, ...more });
const showing = (block, more = {}) => ({ block, residency: 1, below: 1, finest: 0, coarsest: 0, ...more });
const payload = { count: 300, words: new Uint32Array(0), ranges: [] };

/** @param {BlockStore} store */
function comes(store, ...args) {
  const held = store.add(coming(...args));
  store.read(held, payload, new Uint8Array(0));
  return held;
}

/** Steps until nothing moves; what is drawn in each. */
function* steps(store) {
  for (let i = 0; i < 100; i++) {
    const moved = store.step(0.016);
    store.sweep();
    yield store.drawn();
    if (!moved && store.calm) return;
  }
  assert.fail("it never ends");
}

test("a finer block takes over from a coarser one: weights add up to one, or more, all the while", () => {
  const store = new BlockStore();
  comes(store, "coarse");
  store.show([showing("coarse", { below: 0 })]);
  [...steps(store)];
  store.add(coming("fine", { node: "zoom", cell: cell(5) }));
  store.show([showing("coarse"), showing("fine")]);
  let waited = 0;
  const sums = [];
  for (const drawn of steps(store)) {
    const of = (node) => drawn.find(({ held }) => held.group.node === node);
    const { residency, below } = of("root");
    const fine = of("zoom")?.residency ?? 0;
    // Half way between the two scales, which are 2 apart.
    sums.push(weight(-1, Infinity, 2, residency, below) + weight(1, 2, Infinity, fine, fine));
    if (++waited === 3) store.read(store.held.get("fine"), payload, new Uint8Array(0));
  }
  assert.ok(waited > 8 && Math.min(...sums) > 1 - 1e-9, `${sums}`);
  assert.ok(Math.abs(sums.at(-1) - 1) < 1e-9 && store.calm);
});

test("what is removed shows its coarser one at once, and goes slowly", () => {
  const store = new BlockStore();
  comes(store, "coarse");
  comes(store, "fine", { node: "zoom", cell: cell(5) });
  store.show([showing("coarse"), showing("fine")]);
  [...steps(store)];
  store.change([showing("coarse", { below: 0 })]);
  store.drop(["fine"]);
  assert.ok(!store.calm);
  const seen = [...steps(store)].map((drawn) => drawn.map(({ residency, below }) => [residency, below]));
  assert.deepEqual(seen[0][0], [1, 0]);
  assert.ok(seen[1][1][0] > 0.8 && seen[1][1][0] < 1 && seen.at(-1).length === 1, `${seen}`);
  assert.ok(store.calm && !store.held.has("fine") && store.surfels === 300);
});

test("levels share the weight without a gap, whichever are there, also while one joins", () => {
  const store = new BlockStore();
  const total = () => {
    for (let octaves = -1; octaves < 6; octaves += 0.03) {
      const sum = store.drawn().reduce((all, { residency, level, finest, coarsest }) =>
        all + residency * mipShare(octaves, level, finest, coarsest), 0);
      assert.ok(Math.abs(sum - 1) < 1e-9, `${sum} at ${octaves}`);
    }
    return store.drawn().map(({ level }) => level);
  };
  comes(store, "one", { block: "b", level: 1 });
  store.show([showing("b", { coarsest: 4 })]);
  [...steps(store)];
  assert.deepEqual(total(), [1]);
  comes(store, "three", { block: "b", level: 3 });
  [...steps(store)];
  assert.deepEqual(total(), [1], "a gap is not bridged");
  comes(store, "two", { block: "b", level: 2 });
  for (const _ of steps(store)) total();
  assert.deepEqual(total(), [1, 2, 3]);
  comes(store, "zero", { block: "b" });
  for (const _ of steps(store)) total();
  assert.deepEqual(total(), [0, 1, 2, 3]);
  store.change([showing("b", { finest: 2, coarsest: 4 })]);
  for (const _ of steps(store)) total();
  assert.deepEqual(total(), [2, 3]);
  store.drop(["zero", "one"]);
  store.sweep();
  assert.deepEqual(total(), [2, 3]);
});

test("pages and rows are used again only after an order without them has come", () => {
  const store = new BlockStore();
  const first = comes(store, "first");
  store.look = 1;
  store.drop(["first"]);
  store.sweep();
  const second = comes(store, "second", { cell: cell(3, 1n) });
  const shared = (a, b) => a.pages.some((page) => b.pages.includes(page)) || a.row === b.row;
  assert.ok(!shared(first, second), "the order of before still names them");
  store.ordered(1);
  const third = comes(store, "third", { cell: cell(3, 2n) });
  assert.ok(!shared(first, third));
  store.ordered(2);
  const fourth = comes(store, "fourth", { cell: cell(3, 3n) });
  assert.ok(shared(first, fourth) && !shared(second, fourth) && !shared(third, fourth));
  for (const held of [second, third, fourth]) {
    for (const page of held.pages) assert.equal(store.pageRows[page], held.row);
    assert.equal(held.pages.length, Math.ceil(held.count / PAGE));
  }
});

test("a block that comes twice is held once, and one that comes back while it goes stays", () => {
  const store = new BlockStore();
  comes(store, "a");
  store.show([showing("a")]);
  [...steps(store)];
  assert.equal(store.add(coming("a")), null);
  store.drop(["a"]);
  store.step(0.016);
  assert.equal(store.add(coming("a")), null);
  store.show([showing("a")]);
  [...steps(store)];
  assert.equal(store.drawn()[0].residency, 1);
  assert.ok(store.calm && store.surfels === 300);
});
