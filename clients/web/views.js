/**
 * The two ways to see the world: frames that the server draws, or surfels that this page draws itself. Asks for one, or
 * leaves it to the server where this device can do both, says why, and changes over without a moment in which nothing is
 * to be seen: what was there stays until the other is whole.
 */

import * as cameras from "./camera.js";
import { BlockCache } from "./blockcache.js";
import { Budget, LEAST } from "./budget.js";
import { element } from "./dom.js";
import { MAX_NAMED } from "./limits.js";
import { Picture } from "./picture.js";
import { Readout } from "./readout.js";
import { acceleration } from "./renderer.js";
import { FORMAT } from "./surfelformat.js";
import { SurfelPicture } from "./surfelpicture.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Place} Place */
/** @typedef {import("./surfelpicture.js").World} World */
/** @typedef {"frames" | "surfels"} Stream */
/** @typedef {Stream | "auto"} Wish */
/**
 * @typedef {object} Machine
 * @property {boolean} served the server can send surfels that this page reads
 * @property {boolean | null} acceleration by a graphics card; null: no WebGL 2 at all
 * @property {boolean} inflates
 * @property {boolean} saves data
 * @property {number | undefined} memory GB, about
 */
/**
 * @typedef {object} Hooks
 * @property {(message: object) => boolean} send
 * @property {() => void} changed what is shown has changed
 * @property {() => void} redraw
 * @property {() => void} recalled the server has heard what is here of an earlier visit, and not yet where one looks
 */

const KEY = "wonderzoom.stream";
const WISHES = /** @type {const} */ (["auto", "frames", "surfels"]);
const LEAST_MEMORY = 2; // GB
const PATIENCE_MS = 1000; // with the browser's storage
const RECALLED = 0.9; // of the budget: what is not needed any more is in the way until the server has said so

/** What to ask for with this browser, and why: `auto` leaves it to the server, who knows the line. @param {Machine} machine
 * @returns {{stream: "frames" | "auto", why: string, possible: boolean}} */
export function suited(machine) {
  const { stream, why } = chosen(machine);
  return { stream, why, possible: machine.served && machine.acceleration !== null && machine.inflates };
}

/** @param {Machine} machine @returns {{stream: "frames" | "auto", why: string}} */
function chosen({ served, acceleration: accelerated, inflates, saves, memory }) {
  if (!served) return { stream: "frames", why: "the server sends no surfels" };
  if (accelerated === null) return { stream: "frames", why: "this browser has no WebGL 2" };
  if (!inflates) return { stream: "frames", why: "this browser can't unpack surfels" };
  if (!accelerated) return { stream: "frames", why: "no graphics card draws here" };
  if (saves) return { stream: "frames", why: "this device saves data" };
  if (memory !== undefined && memory < LEAST_MEMORY) return { stream: "frames", why: "this device has little memory" };
  return { stream: "auto", why: "the line is not known yet" };
}

export class Views {
  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.readout = new Readout();
    this.picture = new Picture(
      element("picture", HTMLCanvasElement),
      (frame, decode) => hooks.send({ type: "ack", frame, decode }),
      () => this.configure(),
    );
    this.picture.changed = () => {
      if (this.stream === "frames" && this.picture.shown !== this.old) this.show("frames");
      this.changed();
    };
    this.canvas = element("surfels", HTMLCanvasElement);
    /** @type {SurfelPicture | null} */
    this.surfels = null;
    /** For which the cache is asked. @type {SurfelPicture | null} */
    this.recalling = null;
    this.cache = new BlockCache();
    /** @type {World | null} */
    this.world = null;
    /** What the cache is asked by. @type {{root: string, epoch: string, nodes: Set<string>}} */
    this.place = { root: "", epoch: "", nodes: new Set() };
    /** @type {Machine} */
    this.machine = { served: false, acceleration: acceleration(), inflates: typeof DecompressionStream === "function", ...device() };
    /** @type {Wish} */
    this.wish = wished();
    /** The one way to see a world that has no server. @type {Stream | null} */
    this.only = null;
    this.codec = new URLSearchParams(location.search).get("codec") ?? "auto"; // of moving frames
    /** What the server is asked for. @type {Wish} */
    this.asks = "frames";
    /** What it sends. @type {Stream} */
    this.stream = "frames";
    this.from = 0; // number of the camera since which it sends that
    /** What one sees. @type {Stream} */
    this.shown = "frames";
    /** @type {object | null} the frame of before the stream was chosen */
    this.old = null;
    this.seq = 0;
    this.worn = false;
    const asked = Number(new URLSearchParams(location.search).get("budget"));
    this.budget = new Budget(asked || (this.machine.acceleration ? undefined : LEAST), asked > 0);
    if (asked > 0 && this.machine.acceleration === false) this.machine.acceleration = true; // as one wants, whatever it costs
    this.select = element("stream", HTMLSelectElement);
    this.select.value = this.wish;
    this.select.addEventListener("change", () => {
      this.wish = WISHES.find((each) => each === this.select.value) ?? "auto";
      keep(this.wish);
      this.choose();
      this.select.blur();
    });
  }

  // ---- which ----------------------------------------------------------------------------------------------------
  /** The stream that suits, or that was wished for where it is possible at all. */
  choose() {
    const best = suited(this.machine);
    const wish = this.only ?? this.wish;
    this.select.hidden = this.only !== null;
    const own = wish === "frames" || (wish === "surfels" && best.possible);
    const { stream, why } = own ? { stream: /** @type {Stream} */ (wish), why: "as you chose" } : best;
    this.asks = stream;
    this.turn(stream === "auto" ? this.stream : stream, why);
    if (stream !== "frames" && !this.surfels && this.world) {
      this.surfels = new SurfelPicture(this.canvas, this.world, () => this.hooks.redraw(), () => this.say());
      if (!this.only) return void this.recall(this.surfels);
    }
    this.configure();
    this.hooks.redraw();
    return undefined;
  }

  /** What an earlier visit has left is taken and said, before anything is asked for. @param {SurfelPicture} surfels */
  async recall(surfels) {
    const { root, epoch, nodes } = this.place;
    this.recalling = surfels;
    const patience = new Promise((/** @type {(kept: import("./blockcache.js").Kept[]) => void} */ done) => {
      setTimeout(() => done([]), PATIENCE_MS);
    });
    const kept = await Promise.race([this.cache.open(root, epoch, nodes, RECALLED * this.budget.surfels), patience]);
    if (this.recalling !== surfels) return; // another world meanwhile
    this.recalling = null;
    for (const { coming, payload, bounds } of kept) surfels.add(coming, payload, bounds);
    surfels.arrived = (coming, payload, bounds) => this.cache.keep(coming, payload, bounds);
    this.claim(surfels);
    this.configure();
    this.hooks.recalled();
    this.hooks.redraw();
  }

  /** Says which levels are here. @param {SurfelPicture} surfels */
  claim(surfels) {
    const known = surfels.known();
    for (let at = 0; at < known.length; at += MAX_NAMED) {
      this.hooks.send({ type: "have", levels: known.slice(at, at + MAX_NAMED) });
    }
  }

  /** Whether frames are to come with depth: where a graphics card moves them by it, and in a headset. Without one it would take
   * more time than there is between two frames. */
  get deep() {
    const { acceleration: accelerated, inflates, saves } = this.machine;
    const asked = new URLSearchParams(location.search).get("depth");
    if (accelerated === null || !inflates || asked === "off") return false;
    return asked === "on" || this.worn || (accelerated && !saves);
  }

  /** A headset is put on, or off. @param {boolean} worn */
  wear(worn) {
    this.worn = worn;
    this.configure();
  }

  /** From now on that comes. @param {Stream} stream @param {string} why */
  turn(stream, why) {
    this.select.title = `${stream === "frames" ? "Frames of the server" : "Surfels"}: ${why}`;
    document.body.dataset.stream = stream;
    if (stream !== this.stream) {
      this.from = this.seq;
      this.old = this.picture.shown;
      if (this.surfels) this.surfels.answers = -1; // what is here may be of an older world
    }
    this.stream = stream;
  }

  /** Says what the server is to send; its video begins anew. */
  configure() {
    const { asks: stream, codec, budget, deep: depth } = this;
    this.hooks.send({ type: "configure", stream, max_fps: 30, best_quality: 85, codec, depth, surfel_budget: budget.surfels });
  }

  /** Which of the two canvases is seen. @param {Stream} stream */
  show(stream) {
    if (this.shown === stream) return;
    this.shown = stream;
    this.canvas.hidden = stream !== "surfels";
    this.picture.canvas.hidden = stream === "surfels";
    this.readout.clear();
    this.changed();
  }

  // ---- what comes -----------------------------------------------------------------------------------------------
  /** @param {any} welcome */
  welcome(welcome) {
    const { h_ref: hRef, metric, background, surfel_format: format, blocks, nodes } = welcome;
    this.world = { hRef, radial: metric === "radial", ground: background ?? [0, 0, 0] };
    this.machine.served = format === FORMAT;
    const ids = (nodes ?? []).map((/** @type {any} */ node) => node.id);
    const root = nodes?.find((/** @type {any} */ node) => !node.parent)?.id ?? "";
    this.place = { root, epoch: blocks ?? "", nodes: new Set(ids) };
    if (this.surfels) this.claim(this.surfels);
    this.choose();
  }

  /** A camera message was sent. @param {number} seq */
  looked(seq) {
    this.seq = seq;
    this.say();
  }

  /** What the server has chosen. @param {{kind: Stream, why?: string}} message */
  chosen({ kind, why }) {
    if (this.asks !== "auto") return; // it was on its way
    this.turn(kind, why ?? "as it suits");
    this.hooks.redraw();
  }

  /** @param {any} delta a `surfels` message */
  delta(delta) {
    this.surfels?.hear(delta);
    this.hooks.send({ type: "ack", delta: delta.delta });
  }

  /** Nothing that was shown is of this world any more. */
  forget() {
    this.picture.forget();
    this.show("frames");
    this.surfels?.close();
    this.surfels = this.recalling = null;
    this.changed();
  }

  /** @param {any} message a `frame` @param {boolean} first picture of its camera message */
  frame(message, first) {
    const [seen, beside] = message.views.map((/** @type {any} */ view) => ({ ...view, camera: cameras.fromWire(view.camera) }));
    const { frame, revision, still, codec, key } = message;
    const { camera } = seen;
    this.picture.arrive({ ...seen, frame, revision, still, codec, key, beside });
    if (this.shown === "frames") {
      this.readout.frame(message.camera_time ?? 0, first, `${camera.width}×${camera.height}`, message.quality);
    }
  }

  /** What can draw for a headset now; null: there is nothing. */
  get forEyes() {
    if (this.shown === "surfels") return this.surfels;
    return this.machine.acceleration !== null && this.machine.inflates ? this.picture : null;
  }

  // ---- what one sees --------------------------------------------------------------------------------------------
  /** @param {Camera} camera of now @param {[number, number]} size of the canvas, pixels */
  draw(camera, size) {
    for (const canvas of [this.picture.canvas, this.canvas]) {
      if (canvas.width === size[0] && canvas.height === size[1]) continue;
      canvas.width = size[0];
      canvas.height = size[1];
    }
    const { surfels } = this; // kept while frames are shown: the server knows what is here
    if (surfels && (this.stream === "surfels" || this.shown === "surfels")) {
      const before = surfels.settled > 0;
      surfels.draw(camera);
      // Whoever moves all the time sees them once a whole view has come since they were asked for.
      const whole = (surfels.complete(this.seq) && surfels.settled > 0) || (surfels.whole > this.from && surfels.rested);
      const better = !this.picture.shown && surfels.order.length > 0; // than nothing
      if (this.stream === "surfels" && (whole || better)) this.show("surfels");
      if (this.shown === "surfels") {
        this.readout.drawn(`${(surfels.order.length / 1000).toFixed(0)}k surfels`);
        if (this.budget.drew(performance.now(), surfels.order.length)) this.configure();
      }
      if (before !== surfels.settled > 0 || surfels.settled === 1) this.changed();
    }
    if (this.shown === "frames") this.picture.draw(camera);
  }

  /** Takes those away whose zooms are over, now that the world itself shows them. @param {(request: string) => boolean} waits */
  showsPreviews(waits) {
    if (this.shown === "surfels" && document.body.dataset.shown !== "still") return;
    for (const request of [...this.picture.previews.keys()]) if (!waits(request)) void this.picture.preview(request, null);
  }

  /** Pictures of zooms that are being made, over surfels. @param {CanvasRenderingContext2D} context @param {Camera} camera */
  drawPreviews(context, camera) {
    if (this.shown === "surfels") this.picture.drawPreviews(context, camera);
  }

  /** What is at a pixel of the camera, where the page knows it itself. @param {Camera} camera @param {number} u
   * @param {number} v @returns {{place: Place | null} | null} */
  pick(camera, u, v) {
    if (this.shown !== "surfels" || !this.surfels) return null;
    return { place: this.surfels.pick(camera, u, v)?.place ?? null };
  }

  changed() {
    this.say();
    this.hooks.changed();
  }

  /** Says on the body what is shown, for tests and for whoever automates the page. */
  say() {
    const { surfels, picture: { shown } } = this;
    const { dataset } = document.body;
    dataset.view = this.shown;
    if (this.shown === "surfels" && surfels) {
      dataset.shown = surfels.complete(this.seq) && surfels.settled > 0 ? "still" : "moving";
      dataset.revision = String(surfels.revision);
      dataset.held = String(surfels.store.held.size);
    } else {
      dataset.shown = !shown ? "nothing" : shown.still ? "still" : "moving";
      dataset.revision = String(shown?.revision ?? 0);
      dataset.codec = shown?.codec ?? "";
      dataset.eyes = shown?.beside ? "2" : "1";
      dataset.depth = shown?.depth ? "known" : "none";
    }
  }
}

/** @returns {Wish} */
function wished() {
  const asked = new URLSearchParams(location.search).get("stream");
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch { /* storage is switched off */ }
  return WISHES.find((each) => each === asked) ?? WISHES.find((each) => each === kept) ?? "auto";
}

/** @param {Wish} wish */
function keep(wish) {
  try {
    localStorage.setItem(KEY, wish);
  } catch { /* then it is chosen again next time */ }
}

/** What the browser says of the device. @returns {{saves: boolean, memory: number | undefined}} */
function device() {
  const { connection, deviceMemory } = /** @type {any} */ (navigator);
  return { saves: connection?.saveData === true, memory: deviceMemory };
}
