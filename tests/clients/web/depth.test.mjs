// The depth of pictures: PROTOCOL.md, section 5; and the mesh that the page makes of it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as cameras from "../../../clients/web/camera.js";
import { decodeDepth } from "../../../clients/web/depth.js";
import { decode } from "../../../clients/web/msgpack.js";
import { BadBlock } from "../../../clients/web/surfelformat.js";
import { meshOf, unmoved } from "../../../clients/web/warp.js";

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url)));
const vectors = (name) => read(`../../../protocol/vectors/${name}.json`);
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

for (const { name, payload, width, height, step, ln_f: lnF, zeta } of vectors("depth_maps")) {
  test(`what depth is: ${name}`, async () => {
    const found = await decodeDepth({ width, height, step, payload: bytes(payload) }, lnF);
    zeta.flat().forEach((value, i) => {
      if (value === null) assert.ok(Number.isNaN(found.zeta[i]));
      else assert.ok(Math.abs(found.zeta[i] - value) <= 1e-6 * Math.abs(value), `${i}: ${found.zeta[i]}, not ${value}`);
    });
  });
}

// Node ignores what follows a stream, browsers refuse it.
for (const { name, payload, width, height } of vectors("invalid_depth_maps").filter(({ name }) => !name.endsWith("and a byte"))) {
  test(`what is no depth is refused: ${name}`, async () => {
    await assert.rejects(decodeDepth({ width, height, step: 0.1, payload: bytes(payload) }, 5));
  });
}

test("a picture has so many samples at most", async () => {
  for (const [width, height] of [[0, 4], [2048, 1024]]) {
    await assert.rejects(decodeDepth({ width, height, step: 0.1, payload: new Uint8Array() }, 5), BadBlock);
  }
});

for (const each of read("camera_vectors.json")) {
  const camera = cameras.fromWire(decode(bytes(each.camera)));
  const probes = each.probes.map((hex) => cameras.placeFromWire(decode(bytes(hex))));
  test(`${each.name}: view coordinates of one camera are those of another`, () => {
    for (const other of [cameras.zoom(camera, 1.5), cameras.orbit(camera, 0.1, 0.05), cameras.pan(camera, 20, -7)]) {
      const { matrix, origin } = cameras.mapFrom(other, camera);
      for (const probe of probes) {
        const seen = cameras.viewPoint(camera, probe);
        const mapped = [0, 1, 2].map((row) => seen.reduce((sum, value, k) => sum + matrix[3 * row + k] * value, origin[row]));
        const direct = cameras.viewPoint(other, probe);
        const size = 1 + Math.max(...direct.map(Math.abs));
        mapped.forEach((value, k) => assert.ok(Math.abs(value - direct[k]) < 1e-6 * size, `${mapped}, not ${direct}`));
      }
      assert.ok(!unmoved(other, camera));
    }
    assert.ok(unmoved(camera, { ...camera }) && unmoved(cameras.resized(camera, 2 * camera.width, 2 * camera.height), camera));
  });
}

test("the mesh reaches the rim of its picture, and leaves out what is not there", () => {
  const zeta = new Float32Array([1, 2, 3, 4, 5, NaN]);
  const camera = { width: 30, height: 20 };
  const { points, triangles } = meshOf({ width: 3, height: 2, zeta }, camera);
  assert.equal(points.length, 3 * 5 * 4);
  const corner = (i, j) => [...points.subarray(3 * (5 * j + i), 3 * (5 * j + i) + 3)];
  assert.deepEqual(corner(0, 0), [0, 0, 1]);
  assert.deepEqual(corner(1, 1), [5, 5, 1]);
  assert.deepEqual(corner(4, 0), [30, 0, 3]);
  assert.deepEqual(corner(2, 3), [15, 20, 5]);
  // Of twelve cells the four in that corner are left out: two at the rim, one inside, one of the rim's own corner.
  assert.equal(triangles.length, 6 * (12 - 4));
  assert.ok([...triangles].every((at) => !Number.isNaN(points[3 * at + 2])));
});
