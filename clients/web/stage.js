/**
 * Where one looks, and when it is drawn: owns the camera, the size of the viewport, flights, and the loop of frames,
 * which runs only while something moves.
 */

import * as cameras from "./camera.js";
import { flight } from "./flight.js";

/** @typedef {import("./camera.js").Camera} Camera */

const MOST_PIXELS_WIDE = 1600; // of the longer side: more than a CPU draws at a pleasant rate
const MOST_DENSITY = 1.5;
const CALM_S = 0.3; // a flight for those who asked for little motion

export class Stage {
  /** @param {HTMLElement} element that fills the viewport */
  constructor(element) {
    this.element = element;
    /** @type {Camera | null} */
    this.camera = null;
    /** Of the viewport: CSS pixels, and pixels of the camera per CSS pixel. */
    this.size = { width: 1, height: 1, density: 1 };
    /** @type {{begun: number, seconds: number, at: (share: number) => Camera, done: () => void} | null} */
    this.flight = null;
    /** Each is asked, with the seconds since the last frame, whether it moves the camera on. @type {((dt: number) => boolean)[]} */
    this.motions = [];
    /** @type {((camera: Camera) => void)[]} called once a frame in which the camera changed */
    this.onCamera = [];
    /** @type {((camera: Camera) => void)[]} */
    this.onDraw = [];
    /** What a hand may not go beyond. @type {(camera: Camera) => Camera} */
    this.bound = (camera) => camera;
    this.asked = false;
    this.moved = false;
    this.last = 0;
    new ResizeObserver(() => this.measure()).observe(element);
    this.measure();
  }

  measure() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const density = Math.min(window.devicePixelRatio || 1, MOST_DENSITY, MOST_PIXELS_WIDE / Math.max(width, height, 1));
    this.size = { width, height, density };
    if (this.camera && width && height) this.look(cameras.resized(this.camera, ...this.pixels()), true);
  }

  /** The camera's pixels of this viewport. @returns {[number, number]} */
  pixels() {
    const { width, height, density } = this.size;
    const side = (/** @type {number} */ css) => Math.max(16, Math.min(4096, Math.round(css * density)));
    return [side(width), side(height)];
  }

  /** A camera of another viewport, so that what it shows fills this one. @param {Camera} camera */
  fitted(camera) {
    return cameras.covering(camera, ...this.pixels());
  }

  /** Look so from now on. @param {Camera} camera @param {boolean} [flying] a flight goes on */
  look(camera, flying = false) {
    if (!flying) this.flight = null;
    this.camera = camera;
    this.moved = true;
    this.redraw();
  }

  /** The camera moved by a hand, which ends a flight. @param {(camera: Camera) => Camera} motion */
  move(motion) {
    if (this.camera) this.look(this.bound(motion(this.camera)));
  }

  /** Flies to a camera; resolves when it is there, or something else moved the camera. @param {Camera} target */
  fly(target) {
    const end = this.fitted(target);
    if (!this.camera) {
      this.look(end);
      return Promise.resolve();
    }
    const { seconds, at } = flight(this.camera, end);
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    return new Promise((/** @type {(value: void) => void} */ done) => {
      this.flight = { begun: performance.now(), seconds: calm ? CALM_S : seconds, at, done };
      this.redraw();
    });
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  /** @param {number} now milliseconds */
  frame(now) {
    this.asked = false;
    const dt = Math.min(0.1, Math.max(0.001, (now - this.last) / 1000));
    this.last = now;
    const { flight: flying } = this;
    if (flying) {
      const share = Math.min(1, Math.max(0, (now - flying.begun) / 1000 / flying.seconds));
      this.look(flying.at(share), true);
      if (share >= 1) {
        this.flight = null;
        flying.done();
      }
    }
    const going = this.motions.map((motion) => motion(dt)).some(Boolean);
    if (!this.camera) return;
    if (this.moved) {
      this.moved = false;
      for (const listener of this.onCamera) listener(this.camera);
    }
    for (const draw of this.onDraw) draw(this.camera);
    if (going || this.flight) this.redraw();
  }
}
