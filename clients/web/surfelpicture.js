/**
 * The picture that the page draws itself, of the surfels that it holds: at the camera of this moment, with no way to the
 * server and back. Puts the blocks, the worker that sorts them and the renderer together.
 */

import * as cameras from "./camera.js";
import { BlockStore } from "./blockstore.js";
import { Centres, framesOf, lensOf } from "./lens.js";
import { pickAmong } from "./picking.js";
import { FLOATS_A_BLOCK, FLOATS_A_LARGE, SurfelRenderer } from "./renderer.js";
import { SEEN } from "./sorter.js";
import { sigmasAt, splatOf } from "./splats.js";
import { surfelAt } from "./surfelformat.js";
import { PAGE } from "./culling.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./lens.js").Lens} Lens */
/** @typedef {import("./renderer.js").Viewport} Viewport */
/** @typedef {import("./lens.js").Frame} Frame */
/** @typedef {import("./lens.js").Scene & {ground: [number, number, number]}} World sRGB in [0, 1] */
/** @typedef {import("./blockstore.js").Held} Held */
/** @typedef {import("./blockstore.js").Drawn} Drawn */
/** @typedef {import("./sorter.js").Answer} Answer */
/** @typedef {import("./sorter.js").Question} Question */

const MARGIN = 0.08; // of the longer side: what comes into the picture before the next order does
const EYES_MARGIN = 0.35; // what another eye sees beside the first one's picture
const FIRST_STEP_S = 0.016; // of a fade that begins
const LONGEST_STEP_S = 0.15;
const SLOW_MS = 40; // a picture: then what only arrives and fades is drawn less often
// Pictures' times that a slow device has for the rest between two of them; more while blocks come, whose acknowledgements
// would wait for pictures, and the server would think the link slow.
const [REST, REST_COMING] = [2, 6];

export class SurfelPicture {
  /** @param {HTMLCanvasElement} canvas @param {World} world @param {() => void} changed there is something new to draw
   * @param {() => void} [stirred] what is shown is not all there is any more */
  constructor(canvas, world, changed, stirred = () => {}) {
    this.canvas = canvas;
    this.world = world;
    this.changed = changed;
    this.stirred = stirred;
    /** Hears of levels that the server has sent. @type {(coming: import("./blockstore.js").Coming, payload: Uint8Array, bounds: Uint8Array) => void} */
    this.arrived = () => {};
    this.renderer = new SurfelRenderer(canvas);
    this.store = new BlockStore();
    this.centres = new Centres();
    this.worker = new Worker(new URL("./sorter.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.sorting = false;
    this.dirty = true; // something has changed since the last order was asked for
    /** @type {Camera | null} of that order */
    this.camera = null;
    /** @type {Uint32Array} surfels back to front */
    this.order = new Uint32Array(0);
    /** @type {number[]} */
    this.large = [];
    this.at = 0;
    this.rested = true;
    this.took = 0; // milliseconds of a picture, about
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.later = undefined;
    this.revision = 0;
    this.answers = -1; // the camera message whose view is here in full
    this.whole = -1; // the last one of which that was said
    /** Frames in a row that showed all there is to show, at rest. */
    this.settled = 0;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.restored());
  }

  /** What draws for a headset; see `Headset`. */
  get gl() {
    return this.renderer.gl;
  }

  close() {
    this.worker.terminate();
    clearTimeout(this.later);
  }

  /** @param {Question} question @param {Transferable[]} [moved] */
  ask(question, moved = []) {
    this.worker.postMessage(question, moved);
  }

  // ---- what the server says -------------------------------------------------------------------------------------
  /** @param {any} delta a `surfels` message */
  hear(delta) {
    for (const level of delta.levels ?? []) {
      const { hash, block, node, cell, level: number, count, payload, bounds, bounds_revision: revision } = level;
      const coming = { hash: hex(hash), block: hex(block), node, cell: cameras.cellFromWire(cell), level: number, count, revision };
      if (this.store.held.has(coming.hash)) this.patch(coming.hash, bounds, revision);
      else if (payload) {
        this.arrived(coming, payload, bounds);
        this.add(coming, payload, bounds);
      }
    }
    for (const { hash, bounds, bounds_revision } of delta.bounds ?? []) this.patch(hex(hash), bounds, bounds_revision);
    const showing = (delta.show ?? []).map((/** @type {any} */ shown) => ({
      block: hex(shown.block), residency: shown.residency ?? 1, below: shown.child_residency ?? 0,
      finest: shown.finest, coarsest: shown.coarsest,
    }));
    if (delta.anew) this.store.show(showing);
    else this.store.change(showing);
    this.store.drop((delta.drop ?? []).map(hex));
    this.revision = delta.revision;
    this.answers = delta.complete ? (delta.camera_seq ?? 0) : -1;
    this.whole = Math.max(this.whole, this.answers);
    this.touch();
  }

  /** Whether all that a camera asks for is here. @param {number} seq of its message */
  complete(seq) {
    return this.answers >= seq;
  }

  /** What is here, for a server that has been away. @returns {{hash: Uint8Array, bounds_revision: number}[]} */
  known() {
    return [...this.store.held.values()].map(({ hash, revision }) => ({
      hash: bytes(hash), bounds_revision: revision < 0 ? Number.MAX_SAFE_INTEGER : revision, // of no revision: to be patched
    }));
  }

  /** A block that has come. @param {import("./blockstore.js").Coming} coming @param {Uint8Array} payload
   * @param {Uint8Array} bounds */
  add(coming, payload, bounds) {
    const held = this.store.add(coming);
    if (!held) return;
    const [payloadCopy, boundsCopy] = [payload.slice(), bounds.slice()]; // they are views of a whole message
    const moved = [payloadCopy.buffer, boundsCopy.buffer];
    this.ask({ type: "block", block: held.row, pages: held.pages, payload: payloadCopy, bounds: boundsCopy }, moved);
  }

  /** Other bounds of a block that is held. @param {string} hash @param {Uint8Array} bounds @param {number} revision */
  patch(hash, bounds, revision) {
    const held = this.store.held.get(hash);
    if (!held || held.revision > revision) return;
    held.revision = revision;
    this.store.asks(held);
    this.ask({ type: "bounds", block: held.row, bounds: bounds.slice() });
  }

  /** Something in the store has changed. */
  touch() {
    this.dirty = true;
    this.settled = 0;
    this.stirred();
    this.soon();
  }

  /** What changed by itself is drawn; on a slow device not as often as it could be. */
  soon() {
    if (this.took < SLOW_MS) this.changed();
    else this.later ??= setTimeout(() => this.changed(), (this.answers < 0 ? REST_COMING : REST) * this.took);
  }

  /** @param {Answer} answer */
  answered(answer) {
    const { store, renderer } = this;
    if (answer.type === "order") {
      this.sorting = false;
      this.order = answer.numbers;
      this.large = answer.large;
      renderer.setOrder(answer.numbers);
      store.ordered(answer.look);
      this.soon();
      return;
    }
    const held = store.rows[answer.block];
    if (!held || store.held.get(held.hash) !== held) return;
    if (answer.type === "bad") {
      console.warn(`a block can't be read: ${answer.reason}`);
      store.read(held, held.payload, held.bounds);
      store.remove(held);
    } else if (answer.type === "block") {
      store.read(held, answer.payload, answer.bounds);
      if (renderer.reserve(store.pages)) this.upload();
      else this.put(held);
      renderer.setPages(store.pageRows);
    } else {
      store.read(held, held.payload, answer.bounds);
      held.pages.forEach((page, k) => renderer.boundsOf(page, held.bounds.subarray(2 * k * PAGE, 2 * (k + 1) * PAGE)));
    }
    this.touch();
  }

  /** @param {Held} held */
  put({ pages, payload, bounds }) {
    if (!payload) return;
    pages.forEach((page, k) => this.renderer.put(page, payload.words.subarray(4 * k * PAGE, 4 * (k + 1) * PAGE), bounds.subarray(2 * k * PAGE, 2 * (k + 1) * PAGE)));
  }

  upload() {
    for (const held of this.store.held.values()) this.put(held);
    this.renderer.setPages(this.store.pageRows);
  }

  /** The graphics card is back, without what it held. */
  restored() {
    this.renderer = new SurfelRenderer(this.canvas);
    this.renderer.reserve(this.store.pages);
    this.upload();
    this.touch();
  }

  // ---- the picture ----------------------------------------------------------------------------------------------
  /** @param {Camera} camera of now */
  draw(camera) {
    this.drawEyes([{ camera }]);
  }

  /** The same from several eyes, in the order of the first one. @param {{camera: Camera, viewport?: Viewport}[]} eyes */
  drawEyes(eyes) {
    const { store, world } = this;
    clearTimeout(this.later);
    this.later = undefined;
    const now = performance.now();
    const passed = now - this.at;
    this.at = now;
    const moving = store.step(this.rested ? FIRST_STEP_S : Math.min(LONGEST_STEP_S, passed / 1000));
    const gone = store.sweep();
    for (const held of gone) this.ask({ type: "drop", block: held.row });
    if (moving || gone.length || eyes[0].camera !== this.camera) this.dirty = true;
    const drawn = store.drawn();
    for (const [i, { camera, viewport }] of eyes.entries()) {
      const lens = lensOf(camera, world);
      const frames = this.framesOf(drawn, camera);
      if (i === 0 && this.dirty && !this.sorting) this.sort(camera, lens, drawn, frames, eyes.length > 1);
      this.renderer.draw(lens, this.table(drawn, frames), this.splats(lens, drawn, frames), world.ground, viewport);
    }
    requestAnimationFrame(() => { // comes when the card is ready for another one
      this.took += 0.3 * (Math.min(1000, performance.now() - now) - this.took);
    });
    this.settled = this.dirty || this.sorting || !store.calm ? 0 : this.settled + 1;
    this.rested = !moving && store.calm; // what fades next has not begun
    if (!this.rested) this.soon();
  }

  /** @param {Drawn[]} drawn @param {Camera} camera */
  framesOf(drawn, camera) {
    return framesOf(drawn.map(({ held }) => held.group.cell), camera, this.world, this.centres);
  }

  /** @param {Camera} camera @param {Lens} lens @param {Drawn[]} drawn @param {Frame[]} frames @param {boolean} several eyes */
  sort(camera, lens, drawn, frames, several) {
    const seen = new Float64Array(SEEN * drawn.length);
    drawn.forEach(({ held, residency, below, level, finest, coarsest }, i) => {
      const { origin, edge, scale } = frames[i];
      seen.set([held.row, ...origin, edge, scale, residency, below, level, finest, coarsest], SEEN * i);
    });
    this.sorting = true;
    this.dirty = false;
    this.camera = camera;
    const margin = (several ? EYES_MARGIN : MARGIN) * Math.max(camera.width, camera.height);
    this.store.look += 1;
    this.ask({ type: "look", look: this.store.look, lens, margin, seen }, [seen.buffer]);
  }

  /** The table of blocks as the shader reads it. @param {Drawn[]} drawn @param {Frame[]} frames */
  table(drawn, frames) {
    const table = new Float32Array(FLOATS_A_BLOCK * this.store.rows.length);
    drawn.forEach(({ held, residency, below, level, finest, coarsest }, i) => {
      const { origin, edge, scale } = frames[i];
      const [low, step, low2, step2, native, nativeStep, place, placeStep] = held.payload?.ranges ?? [];
      table.set([
        ...origin, edge, scale, residency, below, level, finest, coarsest, native, nativeStep, low, step, low2, step2, place, placeStep,
      ], FLOATS_A_BLOCK * held.row);
    });
    return table;
  }

  /** What float32 can't project, as the shader reads it. @param {Lens} lens @param {Drawn[]} drawn @param {Frame[]} frames */
  splats(lens, drawn, frames) {
    const table = new Float32Array(FLOATS_A_LARGE * this.large.length);
    if (!this.large.length) return table;
    const byRow = new Map(drawn.map((each, i) => [each.held.row, { ...each, frame: frames[i] }]));
    this.large.forEach((number, i) => {
      const each = byRow.get(this.store.pageRows[Math.floor(number / PAGE)]);
      if (!each?.held.payload) return;
      const { held, frame } = each;
      const surfel = surfelAt(each.held.payload, held.bounds, held.pages.indexOf(Math.floor(number / PAGE)) * PAGE + (number % PAGE));
      const splat = splatOf(lens, frame, surfel, each);
      if (!splat) return;
      const corners = [[0, 0], [lens.width, 0], [0, lens.height]].flatMap(([u, v]) => sigmasAt(splat, u, v));
      table.set([...corners, splat.opacity, 0, ...surfel.color.map((byte) => byte / 255)], FLOATS_A_LARGE * i);
    });
    return table;
  }

  /** What is at a pixel: a place on the surface and its depth; null for nothing. @param {Camera} camera @param {number} u
   * @param {number} v */
  pick(camera, u, v) {
    const drawn = this.store.drawn();
    const lens = lensOf(camera, this.world);
    const zeta = pickAmong(this.order, this.large, this.store, drawn, this.framesOf(drawn, camera), lens, u, v);
    if (zeta === null) return null;
    const w = 1 + zeta * lens.inverseF;
    return { zeta, place: cameras.movedPivot(camera, [((u - lens.cx) * w) / lens.ax, ((v - lens.cy) * w) / lens.ay, zeta]) };
  }
}

/** @param {Uint8Array} value */
const hex = (value) => Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** @param {string} value */
const bytes = (value) => Uint8Array.from({ length: value.length / 2 }, (_, i) => parseInt(value.slice(2 * i, 2 * i + 2), 16));
