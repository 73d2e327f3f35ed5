// Payloads as the protocol's golden vectors say, and bytes that have to be refused.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decodeBounds, decodePayload, surfelAt } from "../../../clients/web/surfelformat.js";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url)));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

function near(got, want, what, by = 2e-6) {
  assert.ok(Math.abs(got - want) <= by * Math.max(1, Math.abs(want)), `${what}: ${got}, not ${want}`);
}

/** Columns of the matrix of a quaternion. */
function axesOf([w, x, y, z]) {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
    [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
    [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
  ];
}

for (const vector of vectors("surfel_blocks")) {
  test(`${vector.name}: what a client decodes`, async () => {
    const payload = await decodePayload(bytes(vector.payload));
    assert.equal(payload.count, vector.count);
    const bounds = await decodeBounds(bytes(vector.bounds), payload.count);
    for (let i = 0; i < payload.count; i++) {
      const surfel = surfelAt(payload, bounds, i);
      vector.means[i].forEach((part, k) => near(surfel.mean[k], part, "mean"));
      axesOf(vector.quats[i]).forEach((axis, k) => axis.forEach((part, j) => near(surfel.axes[k][j], part, "axis")));
      vector.log_scales[i].forEach((part, k) => near(surfel.lnScales[k], part, "scale"));
      near(surfel.opacity, vector.opacities[i], "opacity");
      assert.deepEqual(surfel.color, vector.colors[i]);
      near(surfel.native, vector.native[i], "native");
      for (const [side, sign] of [["parent", 1], ["child", -1]]) {
        const want = vector[side][i];
        if (want === null) assert.equal(surfel[side], Infinity);
        else near(surfel.native + sign * surfel[side], want, side);
      }
    }
  });
}

// Bytes after the end of a stream are refused by browsers, not by node.
for (const vector of vectors("invalid_surfel_blocks").filter(({ name }) => !name.endsWith("and a byte"))) {
  test(`refused: ${vector.name}`, async () => {
    await assert.rejects(async () => {
      if (vector.payload !== undefined) await decodePayload(bytes(vector.payload));
      else await decodeBounds(bytes(vector.bounds), vector.count);
    });
  });
}
