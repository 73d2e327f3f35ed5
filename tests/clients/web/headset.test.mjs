// The cameras of two eyes: what the headset's own matrices say of points, at any depth of the world.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as cameras from "../../../clients/web/camera.js";
import { eyeCamera } from "../../../clients/web/headset.js";
import { decode } from "../../../clients/web/msgpack.js";

const cases = JSON.parse(readFileSync(new URL("camera_vectors.json", import.meta.url)));
const ARM = 0.8;
const [WIDTH, HEIGHT] = [640, 720];
// Columns of a projection with more to the left than to the right, and more below than above.
const projection = [1.1, 0, 0, 0, 0, 0.95, 0, 0, -0.12, 0.07, -1, -1, 0, 0, -0.2, 0];

/** v in axes turned by q. */
function turned({ x, y, z, w }, v) {
  return cameras.rotate([w, x, y, z], v);
}

for (const { name, camera: hex } of cases) {
  test(`${name}: eyes see points where their matrices say`, () => {
    const base = cameras.fromWire(decode(new Uint8Array(Buffer.from(hex, "hex"))));
    const pixels = Math.exp(cameras.lnF(base)) / ARM; // a metre, at the pivot of the base
    for (const [at, angles] of [[[0, 0, 0], [0, 0]], [[0.031, 0.01, 0], [0.1, -0.2]], [[-0.4, 0.2, 0.3], [-0.5, 0.15]]]) {
      const [a, b] = angles.map((angle) => angle / 2);
      const turn = { w: Math.cos(a) * Math.cos(b), x: Math.sin(b) * Math.cos(a), y: Math.sin(a) * Math.cos(b), z: -Math.sin(a) * Math.sin(b) };
      const eye = eyeCamera(base, { x: at[0], y: at[1], z: at[2] }, turn, projection, WIDTH, HEIGHT, ARM);
      for (const [x, y, z] of [[0, 0, -ARM], [0.1, 0.2, -1], [-0.3, -0.1, -0.7]]) { // metres, y up, z back
        const place = cameras.movedPivot(base, [x * pixels, -y * pixels, (-z - ARM) * pixels]);
        const seen = cameras.project(eye, place);
        const [vx, vy, vz] = turned({ ...turn, x: -turn.x, y: -turn.y, z: -turn.z }, [x - at[0], y - at[1], z - at[2]]);
        const ndc = [(projection[0] * vx + projection[8] * vz) / -vz, (projection[5] * vy + projection[9] * vz) / -vz];
        const [u, v] = [((ndc[0] + 1) / 2) * WIDTH, ((1 - ndc[1]) / 2) * HEIGHT];
        assert.ok(Math.hypot(seen.u - u, seen.v - v) < 1e-3, `${[x, y, z]} from ${at}: ${[seen.u, seen.v]}, not ${[u, v]}`);
        assert.ok(seen.visible);
      }
    }
  });
}

test("an eye at rest sees what the base saw, as large", () => {
  const base = cameras.fromWire(decode(new Uint8Array(Buffer.from(cases[1].camera, "hex"))));
  const straight = [(2 * Math.exp(base.lnFx)) / base.width, 0, 0, 0, 0, (2 * Math.exp(base.lnFy)) / base.height, 0, 0, 0, 0, -1, -1, 0, 0, -0.2, 0];
  const eye = eyeCamera(base, { x: 0, y: 0, z: 0 }, { x: 0, y: 0, z: 0, w: 1 }, straight, base.width, base.height, ARM);
  for (const [u, v] of [[0, 0], [base.width, base.height / 3]]) {
    const seen = cameras.project(eye, cameras.placeAt(base, u, v));
    assert.ok(Math.hypot(seen.u - u, seen.v - v) < 1e-6);
  }
  assert.ok(Math.abs(cameras.lnScale(eye) - cameras.lnScale(base)) < 1e-9);
});
