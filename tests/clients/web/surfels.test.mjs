// The page's laws of scale, frames of cells and splats against those of the runtime, at any depth.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as cameras from "../../../clients/web/camera.js";
import { Centres, framesOf, lensOf } from "../../../clients/web/lens.js";
import { decode } from "../../../clients/web/msgpack.js";
import * as scales from "../../../clients/web/scales.js";
import { alphaAt, depthAt, sigmasAt, splatOf } from "../../../clients/web/splats.js";

const { hRef, laws, views } = JSON.parse(readFileSync(new URL("surfel_vectors.json", import.meta.url)));
const read = (hex) => decode(new Uint8Array(Buffer.from(hex, "hex")));
const or = (value) => value ?? Infinity;

function close(got, want, what, relative = 1e-7, absolute = 1e-7) {
  assert.ok(Math.abs(got - want) <= absolute + relative * Math.abs(want), `${what}: ${got}, not ${want}`);
}

test("weights, shares and optical masses are the runtime's", () => {
  for (const { t, parent, child, residency, below, weight } of laws.weights) {
    close(scales.weight(t, or(parent), or(child), residency, below), weight, `the weight at ${t}`);
  }
  for (const [octaves, level, finest, coarsest, share] of laws.shares) {
    close(scales.mipShare(octaves, level, finest, coarsest), share, `the share of ${level} at ${octaves}`);
  }
  for (const [opacity, alpha, modulated, mass] of laws.modulated) {
    close(scales.li2(opacity), mass, `Li2(${opacity})`);
    close(scales.modulate(opacity, alpha), modulated, `${opacity} at ${alpha}`, 0, 1e-6);
  }
  laws.inverse.forEach((opacity, i) => close(scales.li2InverseTable()[273 * i], opacity, `the inverse at ${273 * i}`));
});

for (const { name, camera: hex, radial, block } of views) {
  const camera = cameras.fromWire(read(hex));
  const scene = { hRef, radial };
  const lens = lensOf(camera, scene);
  const cell = cameras.cellFromWire(read(block.cell));
  const [frame] = framesOf([cell], camera, scene, new Centres());
  test(`${name}: where the cell is`, () => {
    block.origin.forEach((part, i) => close(frame.origin[i], part, "origin", 1e-9, 1e-6));
    close(frame.edge, block.edge, "edge", 1e-9);
    close(frame.scale, block.scale, "scale", 1e-9);
  });
  test(`${name}: splats`, () => {
    for (const { shares, rows, splats } of block.drawn) {
      assert.ok(rows.length > 0, "a case without splats tests nothing");
      rows.forEach((row, k) => {
        const surfel = block.surfels[row];
        const splat = splatOf(lens, frame, { ...surfel, parent: or(surfel.parent), child: or(surfel.child) }, shares);
        assert.ok(splat, `row ${row} is drawn`);
        const [u, v, xx, xy, yy, opacity, key, zeta] = splats[k];
        const square = splat.unit ** 2;
        const large = 1e-6 * Math.max(1, xx, yy);
        [[splat.u, u], [splat.v, v], [splat.key, key], [splat.point[2], zeta]].forEach(([got, want]) =>
          close(got, want, `row ${row}`, 1e-6, 1e-5));
        [[splat.xx, xx], [splat.xy, xy], [splat.yy, yy]].forEach(([got, want]) =>
          close(got * square, want, `row ${row}, covariance`, 1e-6, large));
        close(splat.opacity, opacity, `row ${row}, opacity`, 1e-6, 2e-6);
        // The corners' sigmas say the same as the covariance.
        const at = [u + 0.7 * Math.sqrt(xx), v - 0.4 * Math.sqrt(yy)];
        const [a, b] = sigmasAt(splat, ...at);
        close(Math.min(0.99, opacity * Math.exp(-0.5 * (a * a + b * b))), alphaAt(splat, ...at), `row ${row}, alpha`, 1e-6, 1e-5);
      });
    }
  });
}

test("a pixel's ray meets the plane of a splat", () => {
  const lens = { inverseF: 0.01, ax: 1, ay: 1, cx: 50, cy: 40 };
  const slant = Math.SQRT1_2;
  const splat = { point: [0, 0, 10], axes: [[1, 0, 0], [0, slant, slant], [0, slant, -slant]], reach: 30 };
  const depth = depthAt(lens, splat, 55, 48);
  const y = 8 * (1 + depth * lens.inverseF); // of the ray, which lies in the plane y = z - 10
  assert.ok(Math.abs(y - (depth - 10)) < 1e-9, `${depth}`);
  assert.equal(depthAt(lens, splat, 50, 1000), -20, "no further than it reaches");
});
