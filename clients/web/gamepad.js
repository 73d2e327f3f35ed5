/** Hands on a gamepad: sticks and triggers move the camera about what is in the middle; buttons do what keys do. */

import * as cameras from "./camera.js";

/** @typedef {import("./stage.js").Stage} Stage */
/**
 * @typedef {object} Actions
 * @property {(at: {u: number, v: number}) => void} pick moves the pivot to what is there
 * @property {() => void} moved
 * @property {() => void} ask for finer detail in the middle
 * @property {() => void} up
 * @property {() => void} home
 */
/** @typedef {{axes: readonly number[], buttons: readonly {value: number, pressed: boolean}[]}} Pad of the standard layout */

const DEAD = 0.12; // of a stick's way, in which it rests
const VIEWS = 0.8; // a second, at the end of the stick
const TURN = 1.1; // radians a second
const E_FOLDS = 1.6; // of magnification a second
const IDLE_MS = 80; // how often a pad that rests is asked
const [ASK, UP, HOME, WIDER, CLOSER] = [0, 1, 3, 6, 7];

/** How far a stick is from its rest, in [-1, 1]; finer near the middle. @param {number | undefined} value */
export function bent(value = 0) {
  const beyond = Math.max(0, Math.abs(value) - DEAD) / (1 - DEAD);
  return Math.sign(value) * Math.min(1, beyond) ** 2;
}

export class Gamepads {
  /** @param {Stage} stage @param {Actions} actions @param {() => (Pad | null)[]} read */
  constructor(stage, actions, read = () => navigator.getGamepads?.() ?? []) {
    this.stage = stage;
    this.actions = actions;
    this.read = read;
    this.moving = false;
    /** @type {Set<number>} */
    this.pressed = new Set();
    stage.motions.push((dt) => this.step(dt));
  }

  /** Looks for pads whenever one is there. @param {Window} window */
  listen(window) {
    window.addEventListener("gamepadconnected", () => {
      this.timer ??= setInterval(() => this.idle(), IDLE_MS);
    });
  }

  /** @type {ReturnType<typeof setInterval> | undefined} */
  timer = undefined;

  idle() {
    const pads = this.pads();
    if (!pads.length) {
      clearInterval(this.timer);
      this.timer = undefined;
    } else if (!this.moving && pads.some((pad) => pad.axes.some(bent) || pad.buttons.some(({ pressed }) => pressed))) {
      this.stage.redraw();
    }
  }

  pads() {
    return this.read().filter((pad) => pad !== null);
  }

  /** @param {number} dt seconds */
  step(dt) {
    const going = this.pads().map((pad) => this.by(pad, dt)).some(Boolean);
    if (going) this.actions.moved();
    this.moving = going;
    return going;
  }

  /** @param {Pad} pad @param {number} dt seconds */
  by(pad, dt) {
    this.press(pad);
    const [right, down, yaw, pitch] = [0, 1, 2, 3].map((axis) => bent(pad.axes[axis]));
    const closer = bent(pad.buttons[CLOSER]?.value) - bent(pad.buttons[WIDER]?.value);
    if (!right && !down && !yaw && !pitch && !closer) return false;
    const [width, height] = this.stage.pixels();
    if (!this.moving) this.actions.pick({ u: width / 2, v: height / 2 });
    const side = Math.min(width, height) * VIEWS * dt;
    this.stage.move((camera) => {
      let moved = camera;
      if (right || down) moved = cameras.turn(moved, -right * side, -down * side);
      if (yaw || pitch) moved = cameras.orbit(moved, yaw * TURN * dt, -pitch * TURN * dt);
      return closer ? cameras.zoom(moved, Math.exp(closer * E_FOLDS * dt)) : moved;
    });
    return true;
  }

  /** @param {Pad} pad */
  press(pad) {
    const { ask, up, home } = this.actions;
    for (const [button, act] of /** @type {[number, () => void][]} */ ([[ASK, ask], [UP, up], [HOME, home]])) {
      const pressed = pad.buttons[button]?.pressed === true;
      if (pressed && !this.pressed.has(button)) act();
      if (pressed) this.pressed.add(button);
      else this.pressed.delete(button);
    }
  }
}
