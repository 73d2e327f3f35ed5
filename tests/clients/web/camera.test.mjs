// The page's cameras against those of the runtime, at any depth.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as cameras from "../../../clients/web/camera.js";
import { flight } from "../../../clients/web/flight.js";
import { decode } from "../../../clients/web/msgpack.js";

const cases = JSON.parse(readFileSync(new URL("camera_vectors.json", import.meta.url)));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

function assertSeen(camera, probes, expected, what) {
  probes.forEach((probe, i) => {
    const { u, v, w } = cameras.project(camera, probe);
    [u, v, w].forEach((value, k) =>
      assert.ok(Math.abs(value - expected[i][k]) < 1e-4, `${what}, probe ${i}: ${[u, v, w]}, not ${expected[i]}`));
  });
}

for (const each of cases) {
  const camera = cameras.fromWire(decode(bytes(each.camera)));
  const probes = each.probes.map((hex) => cameras.placeFromWire(decode(bytes(hex))));
  const { u, v, zeta } = each.picked;
  test(`${each.name}: what the runtime sees`, () => {
    assertSeen(camera, probes, each.seen, "as it is");
    assertSeen(cameras.zoom(camera, 3), probes, each["zoomed by 3"], "zoomed");
    assertSeen(cameras.orbit(camera, 0.1, 0.05), probes, each["orbited by 0.1, 0.05"], "orbited");
    assertSeen(cameras.resized(camera, 390, 844), probes, each["resized to 390x844"], "resized");
    assertSeen(cameras.lookAt(camera, probes[1], u, v, zeta), probes, each["looking at probe 1"], "looking");
  });
  test(`${each.name}: a zoom at a pixel, and flights, as the runtime's`, () => {
    const { u: x, v: y, factor } = each["zoomed at"];
    // The page keeps the horizon level as it turns: the spot and the scale are the runtime's.
    const spot = cameras.placeAt(camera, x, y);
    const zoomed = cameras.zoomAt(camera, factor, x, y);
    const seen = cameras.project(zoomed, spot);
    assert.ok(Math.hypot(seen.u - x, seen.v - y) < 0.02, "what is zoomed at stays");
    each.flights.forEach(({ to, seconds, moments }, k) => {
      const path = flight(camera, cameras.fromWire(decode(bytes(to))));
      assert.ok(Math.abs(path.seconds - seconds) < 1e-4, `flight ${k}: ${path.seconds} s, not ${seconds}`);
      for (const { share, probes: hexes, seen: expected, scale } of moments) {
        const here = path.at(share);
        assert.ok(Math.abs(cameras.lnScale(here) - scale) < 1e-5, `flight ${k} at ${share}: scale`);
        assertSeen(here, hexes.map((hex) => cameras.placeFromWire(decode(bytes(hex)))), expected, `flight ${k} at ${share}`);
      }
    });
  });
  test(`${each.name}: laws of the motions`, () => {
    const pivoted = cameras.atDepth(camera, zeta);
    const nearer = Math.exp(camera.lnDistance - pivoted.lnDistance); // depths are in units of another distance
    assertSeen(pivoted, probes, each.seen.map(([x, y, w]) => [x, y, w * nearer]), "re-pivoted");
    const spot = cameras.placeAt(camera, camera.cx + 90, camera.cy - 50);
    for (const k of [1.02, 5, 1 / 1.3]) {
      const zoomed = cameras.zoomAt(camera, k, camera.cx + 90, camera.cy - 50);
      const { u: x, v: y } = cameras.project(zoomed, spot);
      assert.ok(Math.hypot(x - camera.cx - 90, y - camera.cy + 50) < 0.02, `${k}: what is at the pointer stays: ${[x, y]}`);
    }
    for (const depth of [-30, 0, 60]) {
      const ln = cameras.lnMagnification(cameras.zoom(cameras.atDepth(camera, depth), 3), camera);
      assert.ok(Math.abs(ln - Math.log(3)) < 1e-6, `three times larger at any depth: ${Math.exp(ln)}`);
    }
    // From one eye, what hides behind a point stays hidden behind it, whichever way one turns and zooms.
    const [before, behind] = [0, 1].map((i) => cameras.atDepth(camera, 40 * i).pivot);
    const looks = cameras.zoomAt(cameras.turn(camera, 31, -17), 2.5, 80, 33);
    const [near, far] = [before, behind].map((place) => cameras.project(looks, place));
    assert.ok(Math.hypot(near.u - far.u, near.v - far.v) < 1e-3, "the eye has not moved");
    const turned = cameras.project(cameras.turn(camera, 10, -7), camera.pivot);
    assert.ok(Math.hypot(turned.u - camera.cx - 10, turned.v - camera.cy + 7) < 0.2, "turned by pixels");
    const moved = cameras.project(cameras.pan(camera, 10, -7), camera.pivot);
    assert.ok(Math.hypot(moved.u - camera.cx - 10, moved.v - camera.cy + 7) < 1e-6);
    assertSeen(cameras.fromWire(decode(bytes(each.camera))), probes, each.seen, "unchanged by all that");
    assert.deepEqual(cameras.fromWire(cameras.toWire(camera)), camera);
  });
}

test("indices of any size, as short as can be", () => {
  for (const [value, hex] of [[0n, "00"], [-1n, "ff"], [127n, "7f"], [128n, "0080"], [-128n, "80"], [-129n, "ff7f"]]) {
    assert.equal(Buffer.from(cameras.indexBytes(value)).toString("hex"), hex);
    assert.equal(cameras.indexOf(bytes(hex)), value);
  }
  assert.equal(cameras.indexOf(cameras.indexBytes(-(3n ** 900n))), -(3n ** 900n));
});
