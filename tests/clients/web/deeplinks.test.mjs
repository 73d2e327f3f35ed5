// An address leads back to the view that it was copied from, at any depth; what can't be read leads nowhere.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fromWire } from "../../../clients/web/camera.js";
import { cameraIn, withCamera } from "../../../clients/web/deeplinks.js";
import { decode, encode } from "../../../clients/web/msgpack.js";

const cases = JSON.parse(readFileSync(new URL("camera_vectors.json", import.meta.url)));

for (const { name, camera: hex } of cases) {
  test(`${name}: there and back`, () => {
    const camera = fromWire(decode(new Uint8Array(Buffer.from(hex, "hex"))));
    const hash = withCamera("#token=abc_-&world=meadow", camera);
    const words = new URLSearchParams(hash.slice(1));
    assert.deepEqual([words.get("token"), words.get("world")], ["abc_-", "meadow"], "the rest stays");
    assert.deepEqual(cameraIn(hash), camera);
    assert.deepEqual(cameraIn(withCamera(hash, camera)), camera, "and is there once");
  });
}

test("what can't be read leads nowhere", () => {
  const camera = fromWire(decode(new Uint8Array(Buffer.from(cases[0].camera, "hex"))));
  const whole = withCamera("", camera);
  const text = (value) => `#at=${Buffer.from(encode(value)).toString("base64url")}`;
  for (const hash of ["", "#token=a", "#at=", "#at=%%%", "#at=AAAA", whole.slice(0, -9), text([1, 2]), text({ quat: [1, 0, 0, 0] })]) {
    assert.equal(cameraIn(hash), null, hash);
  }
  const odd = decode(Buffer.from(new URLSearchParams(whole.slice(1)).get("at"), "base64url"));
  for (const change of [{ quat: [2, 0, 0, 0] }, { width: 3 }, { ln_distance: "x" }]) assert.equal(cameraIn(text({ ...odd, ...change })), null);
});
