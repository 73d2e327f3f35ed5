// What is drawn, and in which order, against the same by comparing every surfel with every other.
import assert from "node:assert/strict";
import { test } from "node:test";

import { CHILD, LARGE, LARGE_EDGE, NATIVE, OPACITY, Order, PAGE, PARENT, SIGMA, X, Y, Z, makePage } from "../../../clients/web/culling.js";
import { splatOf } from "../../../clients/web/splats.js";

function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const pageOf = (first, rows) => makePage(first, rows.length, (data) => rows.forEach(({ mean, sigma, native, parent, child, opacity }, i) => {
  [X, Y, Z, SIGMA, NATIVE, PARENT, CHILD, OPACITY].forEach((column, k) => {
    data[column + i] = [...mean, sigma, native, 1 / parent, 1 / child, opacity][k];
  });
}));

const pinhole = {
  rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], inverseF: 1 / 200, ax: 1.02, ay: 0.98, cx: 80, cy: 60, width: 160, height: 120,
  pixelOctaves: 0, radial: false,
};

/** Blocks of random surfels; numbers of their surfels count on. */
function scene(next, edges) {
  let first = 0;
  return edges.map((edge) => {
    const surfels = Array.from({ length: 300 }, () => {
      const native = -4.2 + next();
      return {
        mean: /** @type {const} */ ([0, 1, 2]).map(() => Math.fround(next() - 0.5)), axes: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        lnScales: [native + next() - 0.5, native], opacity: next(), native,
        parent: next() < 0.3 ? Infinity : 0.5 + 2 * next(), child: next() < 0.3 ? Infinity : 0.5 + 2 * next(),
      };
    });
    const frame = {
      origin: [edge * (next() - 0.5), edge * (next() - 0.5), edge * (next() - 0.3)], edge, scale: -4.2 + 2 * (next() - 0.5),
    };
    const shares = { residency: 0.4 + 0.6 * next(), below: 0.4 * next(), level: 0, finest: 0, coarsest: next() < 0.5 ? 0 : 2 };
    const pages = [];
    for (let at = 0; at < surfels.length; at += PAGE) {
      pages.push(pageOf(first, surfels.slice(at, at + PAGE).map((each) => ({ ...each, sigma: Math.exp(Math.max(...each.lnScales)) }))));
      first += PAGE;
    }
    return { surfels, frame, shares, pages };
  });
}

const deep = { ...pinhole, inverseF: 1e-9 };
for (const [seed, lens, edges] of [[1, pinhole, [64, 300, 30]], [2, pinhole, [200, 400, 64, 64]], [3, deep, [LARGE_EDGE * 2, LARGE_EDGE * 4, 64]]]) {
  test(`all that show are drawn, far ones first: ${edges}`, () => {
    const blocks = scene(random(seed), edges);
    const order = new Order();
    order.of(blocks, lens, 0);
    const drawn = [...order.numbers.subarray(0, order.count)].map((each) => (each >= LARGE ? order.large[each - LARGE] : each));
    assert.equal(new Set(drawn).size, drawn.length, "each once");
    const place = new Map(drawn.map((number, i) => [number, i]));
    const splats = blocks.flatMap(({ surfels, frame, shares, pages }) => surfels.flatMap((surfel, i) => {
      const splat = splatOf(lens, frame, surfel, shares);
      return splat ? [{ splat, number: pages[0].first + i }] : [];
    }));
    const shown = splats.filter(({ splat: { u, v, xx, yy, unit } }) =>
      u + 3.33 * unit * Math.sqrt(xx) > 0 && u - 3.33 * unit * Math.sqrt(xx) < 160 &&
      v + 3.33 * unit * Math.sqrt(yy) > 0 && v - 3.33 * unit * Math.sqrt(yy) < 120);
    assert.ok(shown.length > 20, "enough to say something");
    assert.ok(drawn.length < 0.9 * 300 * edges.length, "and not all");
    const keys = [];
    for (const { splat, number } of shown) {
      assert.ok(place.has(number), `surfel ${number} is missing`);
      keys.push([place.get(number), Math.fround(splat.key)]);
    }
    keys.sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < keys.length; i++) {
      assert.ok(keys[i][1] <= keys[i - 1][1] + 1e-4 * Math.abs(keys[i][1]), "the nearer later");
    }
    assert.equal(order.large.length > 0, edges[0] > LARGE_EDGE);
  });
}

test("of what is equally deep, who comes first is in front", () => {
  const row = { mean: [0, 0, 0], sigma: 0.02, native: -4, parent: Infinity, child: Infinity, opacity: 0.8 };
  const seen = (first) => ({
    pages: [pageOf(first, [row, row])], frame: { origin: [0, 0, 0], edge: 64, scale: -4 },
    shares: { residency: 1, below: 1, level: 0, finest: 0, coarsest: 0 },
  });
  const order = new Order();
  order.of([seen(0), seen(PAGE)], pinhole, 0);
  assert.deepEqual([...order.numbers.subarray(0, order.count)], [PAGE + 1, PAGE, 1, 0]);
});

test("keys of any sign and size fall", () => {
  const next = random(9);
  const order = new Order();
  const values = Array.from({ length: 4000 }, () => Math.fround((next() - 0.5) * 10 ** (40 * (next() - 0.5))));
  order.numbers = Uint32Array.from(values, (_, i) => i);
  order.keys = Float32Array.from(values);
  order.bits = new Uint32Array(order.keys.buffer);
  order.spare = [new Uint32Array(4000), new Uint32Array(4000)];
  order.count = 4000;
  order.sort();
  const sorted = [...order.numbers].map((i) => values[i]);
  for (let i = 1; i < sorted.length; i++) assert.ok(sorted[i - 1] >= sorted[i]);
});
