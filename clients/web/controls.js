/**
 * Hands on the world: mouse, touch and keyboard become motions of the camera about what is under the pointer.
 *
 * A gesture begins with a pick: the pivot moves to the depth of what is there, so that the world sticks to the pointer.
 */

import * as cameras from "./camera.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{u: number, v: number}} Point pixels of the camera */
/**
 * @typedef {object} Actions
 * @property {(at: Point) => void} pick moves the pivot to what is there, once the server has said what
 * @property {(at: Point) => void} click
 * @property {() => void} moved a hand moved the camera
 * @property {Record<string, () => void>} keys what else keys do
 */

const CLICK_PIXELS = 6; // CSS; a click whose pointer moved further is a drag
const CLICK_MS = 500;
const WHEEL_GESTURE_MS = 250; // turns of a wheel that follow within this belong to one gesture
const LN_PER_WHEEL = 0.0016; // of magnification, a pixel of the wheel
const ZOOM_S = 0.07; // in which a zoom by the wheel is two thirds done
const ORBIT_PER_PIXEL = 0.005; // radians
const GLIDE_S = 0.18; // in which a thrown picture slows to a third
const KEY_VIEWS = 0.7; // views a second, by arrows
const KEY_E_FOLDS = 1.4; // of magnification a second
const KEY_TURN = 0.9; // radians a second
const KEYS = new Set([
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "a", "d", "w", "s", "q", "e", "r", "f", "+", "=", "-", "_",
]);

export class Controls {
  /** @param {Stage} stage @param {HTMLElement} element @param {Actions} actions */
  constructor(stage, element, actions) {
    this.stage = stage;
    this.actions = actions;
    /** Whether one finger, or the left button, orbits instead of moving the picture. */
    this.orbiting = false;
    /** @type {Map<number, {x: number, y: number}>} CSS pixels */
    this.pointers = new Map();
    this.travelled = 0;
    this.begun = 0;
    this.button = 0;
    this.wheelAt = 0;
    this.pending = { ln: 0, u: 0, v: 0 }; // a zoom by the wheel that is not done yet
    this.glide = { x: 0, y: 0 }; // CSS pixels a second
    this.glideAt = 0;
    /** @type {Set<string>} */
    this.held = new Set();
    element.addEventListener("pointerdown", (event) => this.down(event, element));
    element.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      element.addEventListener(name, (event) => this.up(event));
    }
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    window.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("keyup", (event) => this.held.delete(lower(event.key)));
    window.addEventListener("blur", () => this.held.clear());
    stage.motions.push((dt) => this.step(dt));
  }

  /** A point of the viewport in pixels of the camera. @param {{clientX: number, clientY: number}} event @returns {Point} */
  point(event) {
    const box = this.stage.element.getBoundingClientRect();
    const { density } = this.stage.size;
    return { u: (event.clientX - box.left) * density, v: (event.clientY - box.top) * density };
  }

  // ---- pointers -----------------------------------------------------------------------------------------------
  /** @param {PointerEvent} event @param {HTMLElement} element */
  down(event, element) {
    element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.glide = { x: 0, y: 0 };
    this.pending.ln = 0;
    if (this.pointers.size === 1) {
      this.travelled = 0;
      this.begun = event.timeStamp;
      this.button = event.button;
      this.actions.pick(this.point(event));
    } else {
      this.travelled = Infinity; // two fingers are no click
    }
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    this.travelled += Math.hypot(dx, dy);
    if (this.pointers.size === 1) {
      if (this.travelled < CLICK_PIXELS) return; // keeps `before`, so that nothing of the way is lost
      this.pointers.set(event.pointerId, now);
      this.one(event, dx, dy);
    } else if (this.pointers.size === 2) {
      this.pinch(event.pointerId, before, now);
      this.pointers.set(event.pointerId, now);
    }
  }

  /** @param {PointerEvent} event @param {number} dx CSS pixels @param {number} dy */
  one(event, dx, dy) {
    const { density } = this.stage.size;
    const turns = this.orbiting !== (this.button === 2 || event.shiftKey || event.ctrlKey || event.altKey);
    if (turns) {
      this.stage.move((camera) => cameras.orbit(camera, -dx * ORBIT_PER_PIXEL, dy * ORBIT_PER_PIXEL));
    } else {
      this.stage.move((camera) => cameras.turn(camera, dx * density, dy * density));
      const dt = Math.max(1, event.timeStamp - this.glideAt) / 1000;
      const weight = Math.min(1, dt / 0.05);
      this.glide = { x: mixed(this.glide.x, dx / dt, weight), y: mixed(this.glide.y, dy / dt, weight) };
      this.glideAt = event.timeStamp;
    }
    this.actions.moved();
  }

  /** Two fingers: what is between them stays between them. @param {number} id
   * @param {{x: number, y: number}} before @param {{x: number, y: number}} now */
  pinch(id, before, now) {
    const other = [...this.pointers].find(([each]) => each !== id)?.[1];
    if (!other) return;
    const k = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(8, Math.hypot(before.x - other.x, before.y - other.y));
    const { density } = this.stage.size;
    const { u, v } = this.point({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    this.stage.move((camera) => {
      const moved = cameras.turn(camera, ((now.x - before.x) / 2) * density, ((now.y - before.y) / 2) * density);
      return cameras.zoomAt(moved, Math.max(0.5, Math.min(2, k)), u, v);
    });
    this.actions.moved();
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const still = this.travelled < CLICK_PIXELS && event.timeStamp - this.begun < CLICK_MS;
    if (event.type === "pointerup" && this.pointers.size === 0 && still && this.button === 0) {
      this.actions.click(this.point(event));
    }
    if (event.timeStamp - this.glideAt > 60) this.glide = { x: 0, y: 0 };
    if (this.pointers.size === 0) this.stage.redraw();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const { u, v } = this.point(event);
    if (event.timeStamp - this.wheelAt > WHEEL_GESTURE_MS) this.actions.pick({ u, v });
    this.wheelAt = event.timeStamp;
    const unit = event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1;
    const turned = Math.max(-400, Math.min(400, event.deltaY * unit));
    this.pending = { ln: this.pending.ln - turned * LN_PER_WHEEL * (event.ctrlKey ? 5 : 1), u, v };
    this.glide = { x: 0, y: 0 };
    this.stage.redraw();
  }

  // ---- keys ---------------------------------------------------------------------------------------------------
  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return; // it has the keys, Escape too
    const key = lower(event.key);
    const action = this.actions.keys[key];
    if (action) {
      if (key === "enter" && event.target instanceof HTMLButtonElement) return;
      event.preventDefault();
      action();
    } else if (KEYS.has(key)) {
      event.preventDefault();
      this.held.add(key);
      this.stage.redraw();
    }
  }

  // ---- time ---------------------------------------------------------------------------------------------------
  /** What goes on by itself: the rest of a zoom, a thrown picture, keys that are held. @param {number} dt seconds */
  step(dt) {
    let going = false;
    if (Math.abs(this.pending.ln) > 1e-4) {
      const part = this.pending.ln * (1 - Math.exp(-dt / ZOOM_S));
      this.pending.ln = Math.abs(this.pending.ln - part) < 0.002 ? 0 : this.pending.ln - part;
      this.zoomBy(part, this.pending.u, this.pending.v);
      going = true;
    }
    const { x, y } = this.glide;
    if (this.pointers.size === 0 && Math.hypot(x, y) > 20) {
      const { density } = this.stage.size;
      this.stage.move((camera) => cameras.turn(camera, x * dt * density, y * dt * density));
      const left = Math.exp(-dt / GLIDE_S);
      this.glide = { x: x * left, y: y * left };
      going = true;
    }
    if (this.held.size) {
      this.byKeys(dt);
      going = true;
    }
    if (going) this.actions.moved();
    return going;
  }

  /** @param {number} ln @param {number} u @param {number} v */
  zoomBy(ln, u, v) {
    this.stage.move((camera) => cameras.zoomAt(camera, Math.exp(ln), u, v));
  }

  /** Zooms as the wheel does, in the middle. @param {number} ln */
  nudge(ln) {
    const [width, height] = this.stage.pixels();
    this.pending = { ln: this.pending.ln + ln, u: width / 2, v: height / 2 };
    this.stage.redraw();
  }

  /** @param {number} dt seconds */
  byKeys(dt) {
    const sum = (/** @type {string[]} */ plus, /** @type {string[]} */ minus) =>
      Number(plus.some((key) => this.held.has(key))) - Number(minus.some((key) => this.held.has(key)));
    const [width, height] = this.stage.pixels();
    const side = Math.min(width, height) * KEY_VIEWS * dt;
    const right = sum(["ArrowRight"], ["ArrowLeft"]);
    const down = sum(["ArrowDown"], ["ArrowUp"]);
    const aside = sum(["d"], ["a"]);
    const closer = sum(["w", "+", "="], ["s", "-", "_"]);
    const yaw = sum(["e"], ["q"]);
    const pitch = sum(["r"], ["f"]);
    this.stage.move((camera) => {
      let moved = camera;
      if (right || down) moved = cameras.turn(moved, -right * side, -down * side);
      if (aside) moved = cameras.pan(moved, -aside * side, 0);
      if (closer) moved = cameras.zoom(moved, Math.exp(closer * KEY_E_FOLDS * dt));
      if (yaw || pitch) moved = cameras.orbit(moved, yaw * KEY_TURN * dt, pitch * KEY_TURN * dt);
      return moved;
    });
  }
}

/** @param {string} key */
const lower = (key) => (key.length === 1 || key === "Enter" || key === "Escape" || key === "Home" ? key.toLowerCase() : key);
/** @param {number} a @param {number} b @param {number} t */
const mixed = (a, b, t) => a + t * (b - a);

/** Whether somebody writes there. @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
