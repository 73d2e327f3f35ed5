// Sticks, triggers and buttons of a gamepad.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as cameras from "../../../clients/web/camera.js";
import { Gamepads, bent } from "../../../clients/web/gamepad.js";
import { decode } from "../../../clients/web/msgpack.js";

const [{ camera: hex }] = JSON.parse(readFileSync(new URL("camera_vectors.json", import.meta.url)));
const start = cameras.fromWire(decode(new Uint8Array(Buffer.from(hex, "hex"))));

function held() {
  const said = [];
  const pad = { axes: [0, 0, 0, 0], buttons: Array.from({ length: 17 }, () => ({ value: 0, pressed: false })) };
  const stage = {
    camera: start, motions: [], redrawn: 0, pixels: () => [start.width, start.height],
    move(motion) { this.camera = motion(this.camera); }, redraw() { this.redrawn += 1; },
  };
  const note = (name) => () => void said.push(name);
  const actions = { pick: note("pick"), moved: note("moved"), ask: note("ask"), up: note("up"), home: note("home") };
  const pads = new Gamepads(stage, actions, () => [null, pad]);
  return { pad, stage, said, pads, step: (dt = 0.1) => stage.motions[0](dt) };
}

test("a stick at rest is at rest, and is fine near the middle", () => {
  assert.equal(bent(0.1), 0);
  assert.ok(bent(0.3) > 0 && bent(0.3) < 0.1 && bent(-0.3) === -bent(0.3) && bent(1) === 1 && bent(undefined) === 0);
});

test("sticks look around and orbit, triggers zoom; a gesture begins with a pick", () => {
  const { pad, stage, said, step } = held();
  assert.equal(step(), false);
  assert.equal(stage.camera, start);
  pad.axes[0] = 1;
  assert.ok(step() && step());
  assert.deepEqual(said, ["pick", "moved", "moved"]);
  assert.ok(cameras.project(stage.camera, start.pivot).u < start.cx - 20, "one looks to the right: the world goes left");
  pad.axes[0] = 0;
  pad.buttons[7].value = 1;
  const before = cameras.lnScale(stage.camera);
  step(0.5);
  assert.ok(Math.abs(before - cameras.lnScale(stage.camera) - 0.8) < 1e-9);
  pad.buttons[7].value = 0;
  pad.axes[2] = -1;
  const { quat } = stage.camera;
  step();
  assert.notDeepEqual(stage.camera.quat, quat);
});

test("a button acts once, however long it is held", () => {
  const { pad, said, step } = held();
  pad.buttons[0].pressed = true;
  step();
  step();
  pad.buttons[0].pressed = false;
  pad.buttons[1].pressed = pad.buttons[3].pressed = true;
  step();
  assert.deepEqual(said, ["ask", "up", "home"]);
});

test("a pad that is touched wakes the page", () => {
  const { pad, stage, pads } = held();
  pads.idle();
  assert.equal(stage.redrawn, 0);
  pad.axes[1] = 0.8;
  pads.idle();
  assert.equal(stage.redrawn, 1);
});
