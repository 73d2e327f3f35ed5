/** From a click to a zoom: what is at the spot, what should be there, and the camera that would show it. */

import * as cameras from "./camera.js";
import { notice } from "./dom.js";
import { PromptBox } from "./prompt.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Place} Place */
/** @typedef {{u: number, v: number}} Point pixels of the camera */
/** @typedef {{place: Place | null}} Found a pick; without a place nothing is there */
/** @typedef {{prompt: string, factor: number}} Wish */
/**
 * @typedef {object} Spot that was clicked
 * @property {number} u pixels of `camera`
 * @property {number} v
 * @property {Camera} camera
 * @property {Place | null} place of what is there
 * @property {boolean} known whether it is known what is there, or never will be
 * @property {boolean} empty nothing is there
 * @property {Wish | null} wish that waits for that
 */
/**
 * @typedef {object} World what asking needs to know
 * @property {import("./stage.js").Stage} stage
 * @property {() => string} role of whoever asks
 * @property {(at: Point, answer: (found: Found | null) => void) => boolean} pick answers null if nobody can say; whether it
 *   answers at all
 * @property {(target: Camera | null) => void} aim what a zoom would show
 * @property {(camera: Camera, prompt: string) => void} zoom
 */

const ASPECTS = /** @type {const} */ ([3 / 4, 16 / 9]); // of pictures that are generated

export class Asking {
  /** @param {World} world */
  constructor(world) {
    this.world = world;
    this.prompt = new PromptBox((wish) => this.ask(wish), (factor) => this.aim(factor));
    /** @type {Spot | null} */
    this.spot = null;
  }

  /** @param {Point} at */
  click(at) {
    if (this.prompt.open) return this.prompt.close();
    const { stage, role, pick } = this.world;
    const { camera } = stage;
    if (!camera) return;
    if (role() === "viewer") return notice("You may look here. Who has the host's link can make new detail.");
    stage.flight = null;
    /** @type {Spot} */
    const spot = { ...at, camera, place: null, known: false, empty: false, wish: null };
    this.spot = spot;
    if (!pick(at, (found) => this.known(spot, found))) spot.known = true;
    if (spot.empty) return;
    const { density } = stage.size;
    this.prompt.show(at.u / density, at.v / density);
  }

  /** @param {Spot} spot @param {Found | null} found */
  known(spot, found) {
    spot.known = true;
    if (this.spot !== spot && !spot.wish) return;
    if (found && !found.place) {
      spot.empty = true;
      this.prompt.close();
      return notice("There is nothing there to zoom into.");
    }
    if (found) spot.place = found.place;
    if (spot.wish) this.zoomTo(spot, spot.wish);
    else if (this.prompt.open) this.aim(this.prompt.times);
  }

  /** The camera of a zoom at a spot. @param {Spot} spot @param {number} factor @returns {Camera | null} */
  target(spot, factor) {
    const camera = this.world.stage.camera ?? spot.camera;
    const place = spot.place ?? cameras.placeAt(spot.camera, spot.u, spot.v);
    const { u, v, zeta, visible } = cameras.project(camera, place);
    if (!visible) return null;
    const aimed = cameras.zoom(cameras.lookAt(camera, place, u, v, zeta), factor);
    const aspect = Math.max(ASPECTS[0], Math.min(ASPECTS[1], aimed.width / aimed.height));
    const { width, height } = aimed;
    const [w, h] = width / height > aspect ? [Math.round(height * aspect), height] : [width, Math.round(width / aspect)];
    return { ...aimed, width: w, height: h, cx: w / 2, cy: h / 2 };
  }

  /** @param {number | null} factor */
  aim(factor) {
    this.world.aim(factor === null || !this.spot ? null : this.target(this.spot, factor));
  }

  /** What was asked for at the clicked spot. @param {Wish} wish */
  ask(wish) {
    const { spot } = this;
    this.spot = null;
    if (spot?.known) this.zoomTo(spot, wish);
    else if (spot) spot.wish = wish; // it is sent when it is known how deep the spot is
  }

  /** @param {Spot} spot @param {Wish} wish */
  zoomTo(spot, { prompt, factor }) {
    const target = this.target(spot, factor);
    if (target) this.world.zoom(target, prompt);
  }
}
