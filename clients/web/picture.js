/**
 * What one sees: the newest frame, moved to where the camera is by now, so that the picture follows the hand at once
 * and the server's next frame only makes it right: by its depth, where it has any, so that what is near moves more, else as
 * the plane that it is. Stills of before fill what the frame does not reach.
 */

import * as cameras from "./camera.js";
import { decodeDepth } from "./depth.js";
import { jpeg } from "./dom.js";
import { Video } from "./video.js";
import { Warp, unmoved } from "./warp.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./warp.js").Deep} Deep */
/** @typedef {{bitmap: ImageBitmap, camera: Camera, depth?: import("./depth.js").Depth}} Sheet a picture with the camera that
 *   sees it so */
/** @typedef {Sheet & {frame: number, revision: number, still: boolean, codec: "jpeg" | "h264", beside: Sheet | null}} Shown
 *   `beside` is what the other eye sees */
/** @typedef {{payload: Uint8Array, camera: Camera, depth?: any}} Seen a view of a `frame` */
/** @typedef {Seen & {frame: number, revision: number, still?: boolean, codec?: "jpeg" | "h264", key?: boolean,
 *   beside?: Seen}} Arrived */

const GROUND = "#0b0e14";
/** The same. @type {[number, number, number]} */
const DARK = [11 / 255, 14 / 255, 20 / 255];
const MOST_STILLS = 6;
const LARGEST = 40; // viewports: a sheet that is enlarged further shows nothing any more

export class Picture {
  /** @param {HTMLCanvasElement} canvas @param {(frame: number, decode: number) => void} acknowledge
   * @param {() => void} lost called when the server has to begin its video anew */
  constructor(canvas, acknowledge, lost) {
    this.canvas = canvas;
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser draws no canvas");
    this.context = context;
    this.acknowledge = acknowledge;
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {Sheet[]} */
    this.stills = [];
    /** @type {Map<string, Sheet>} pictures of zooms that are being made */
    this.previews = new Map();
    this.video = new Video(lost);
    /** @type {Warp | null} what moves frames by their depth, once there was one */
    this.warp = null;
    /** @type {Arrived[]} */
    this.waiting = [];
    this.decoding = false;
    /** Called when there is something new to draw. */
    this.changed = () => {};
  }

  /** A frame has come; of several that wait only the newest is decoded, and video, whose frames need each other.
   * @param {Arrived} arrived */
  arrive(arrived) {
    const [old, kept] = [this.waiting.filter(alone), this.waiting.filter((each) => !alone(each))];
    for (const each of old) this.acknowledge(each.frame, 0);
    this.waiting = [...kept, arrived];
    if (!this.decoding) void this.decode();
  }

  async decode() {
    this.decoding = true;
    for (let arrived = this.waiting.shift(); arrived; arrived = this.waiting.shift()) {
      const begun = performance.now();
      const { camera, frame, revision, payload } = arrived;
      try {
        const [bitmap, depth, beside] = await Promise.all([
          alone(arrived) ? createImageBitmap(jpeg(payload)) : this.video.decode(payload, !!arrived.key, camera.width, camera.height),
          this.depthOf(arrived),
          arrived.beside ? this.sheetOf(arrived.beside) : null,
        ]);
        const sheet = { camera, frame, revision, still: !!arrived.still, codec: arrived.codec ?? "jpeg" };
        if (bitmap) this.show({ ...sheet, bitmap, depth, beside });
      } catch (error) {
        console.warn("a frame could not be decoded", error);
      }
      this.acknowledge(frame, performance.now() - begun);
    }
    this.decoding = false;
  }

  /** @param {Seen} seen @returns {Promise<Sheet>} */
  async sheetOf(seen) {
    const [bitmap, depth] = await Promise.all([createImageBitmap(jpeg(seen.payload)), this.depthOf(seen)]);
    return { bitmap, camera: seen.camera, depth };
  }

  /** @param {Seen} seen */
  async depthOf({ depth, camera }) {
    return depth && this.gl ? decodeDepth(depth, cameras.lnF(camera)) : undefined;
  }

  /** @param {Shown} sheet */
  show(sheet) {
    const before = this.shown;
    this.shown = sheet;
    if (before) {
      if (before.beside) this.drop(before.beside);
      if (before.still) this.keep(before);
      else this.drop(before);
    }
    this.changed();
  }

  /** A picture is not shown any more. @param {Sheet} sheet */
  drop(sheet) {
    if (deep(sheet)) this.warp?.forget(sheet);
    sheet.bitmap.close();
  }

  /** A still becomes background. @param {Sheet} still */
  keep(still) {
    this.stills.push(still);
    for (const old of this.stills.splice(0, Math.max(0, this.stills.length - MOST_STILLS))) this.drop(old);
  }

  /** Nothing that was shown is of this world any more. */
  forget() {
    const shown = this.shown ? [this.shown, ...(this.shown.beside ? [this.shown.beside] : [])] : [];
    for (const sheet of [...this.stills, ...this.previews.values(), ...shown]) this.drop(sheet);
    this.stills = [];
    this.previews.clear();
    this.shown = null;
    this.waiting = [];
  }

  /** The picture of a zoom that is being made; null takes it away. @param {string} request @param {Uint8Array | null} bytes
   * @param {Camera} [camera] */
  async preview(request, bytes, camera) {
    if (bytes && camera) {
      const bitmap = await createImageBitmap(jpeg(bytes));
      this.previews.get(request)?.bitmap.close();
      this.previews.set(request, { bitmap, camera: cameras.covering(camera, bitmap.width, bitmap.height) });
    } else {
      this.previews.get(request)?.bitmap.close();
      this.previews.delete(request);
    }
    this.changed();
  }

  /** @param {Camera} camera of now */
  draw(camera) {
    const { context, canvas, shown } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.imageSmoothingQuality = "high";
    context.fillStyle = GROUND;
    const covered = shown !== null && this.covers(shown, camera);
    /** @type {Sheet[]} */
    const sheets = covered ? [] : [...this.stills].sort((a, b) => magnification(a) - magnification(b)); // coarse first
    if (!covered) context.fillRect(0, 0, canvas.width, canvas.height);
    if (shown) sheets.push(shown);
    for (const sheet of sheets) this.blit(context, sheet, camera); // also behind what depth moves, which may leave a rim
    const moved = sheets.filter(deep).filter((sheet) => this.placed(sheet, camera));
    if (moved.some((sheet) => !unmoved(camera, sheet.camera))) {
      this.blitDeep(context, moved, camera);
      if (shown && !deep(shown)) this.blit(context, shown, camera);
    }
    this.drawPreviews(context, camera);
  }

  /** Over what is there, moved by their depth. @param {CanvasRenderingContext2D} context @param {Deep[]} sheets
   * @param {Camera} camera */
  blitDeep(context, sheets, camera) {
    const { warp, canvas: { width, height } } = this;
    if (!warp?.able) return;
    const { canvas, gl } = warp;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    warp.draw(sheets, camera, { x: 0, y: 0, width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(canvas, 0, 0);
  }

  /** What draws for a headset; see `Headset`. null: there is no WebGL 2, and pictures stay planes. */
  get gl() {
    this.warp ??= warped();
    return this.warp?.gl ?? null;
  }

  /** The newest frame by its depth, from several eyes: each from its own picture, over that of the other eye.
   * @param {{camera: Camera, viewport: import("./renderer.js").Viewport}[]} eyes */
  drawEyes(eyes) {
    const { warp, shown } = this;
    if (!warp?.able) return;
    const sheets = shown ? [shown, ...(shown.beside ? [shown.beside] : [])].filter(deep) : [];
    eyes.forEach(({ camera, viewport }, i) => {
      const own = sheets[i] ?? sheets[0];
      warp.draw(own ? [...sheets.filter((sheet) => sheet !== own), own] : [], camera, viewport, DARK);
    });
  }

  /** Over whatever is there. @param {CanvasRenderingContext2D} context @param {Camera} camera */
  drawPreviews(context, camera) {
    for (const sheet of this.previews.values()) this.blit(context, sheet, camera);
  }

  /** @param {Sheet} sheet @param {Camera} camera */
  covers(sheet, camera) {
    const corners = this.corners(sheet, camera);
    if (!corners) return false;
    const [a, b, c] = corners;
    const { width, height } = this.canvas;
    const straight = Math.abs(b.v - a.v) < 1 && Math.abs(c.u - a.u) < 1;
    return straight && a.u < 1 && a.v < 1 && b.u > width - 1 && c.v > height - 1;
  }

  /** Where three corners of a sheet are: top left, top right, bottom left. @param {Sheet} sheet @param {Camera} camera */
  corners(sheet, camera) {
    const from = sheet.camera;
    const points = [[0, 0], [from.width, 0], [0, from.height]]
      .map(([u, v]) => cameras.project(camera, cameras.placeAt(from, u, v)));
    return points.every((point) => point.visible && Number.isFinite(point.u + point.v)) ? points : null;
  }

  /** The same, where it is neither too small nor too large to show anything. @param {Sheet} sheet @param {Camera} camera */
  placed(sheet, camera) {
    const corners = this.corners(sheet, camera);
    if (!corners) return null;
    const [a, b, c] = corners;
    const size = Math.max(Math.hypot(b.u - a.u, b.v - a.v), Math.hypot(c.u - a.u, c.v - a.v));
    return size < 2 || size > LARGEST * Math.max(camera.width, camera.height) ? null : corners;
  }

  /** @param {CanvasRenderingContext2D} context @param {Sheet} sheet @param {Camera} camera */
  blit(context, sheet, camera) {
    const { canvas } = context;
    if (sheet.camera === camera) {
      context.setTransform(canvas.width / sheet.bitmap.width, 0, 0, canvas.height / sheet.bitmap.height, 0, 0);
      context.drawImage(sheet.bitmap, 0, 0);
      return;
    }
    const corners = this.placed(sheet, camera);
    if (!corners) return;
    const [a, b, c] = corners;
    const k = canvas.width / camera.width;
    const { width, height } = sheet.bitmap;
    context.setTransform(
      (k * (b.u - a.u)) / width, (k * (b.v - a.v)) / width, (k * (c.u - a.u)) / height, (k * (c.v - a.v)) / height,
      k * a.u, k * a.v,
    );
    context.drawImage(sheet.bitmap, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
}

/** @param {Sheet} sheet @returns {sheet is Deep} */
const deep = (sheet) => sheet.depth !== undefined;

/** @returns {Warp | null} */
function warped() {
  try {
    return new Warp();
  } catch {
    return null;
  }
}

/** Whether a frame can be shown without those before it. @param {Arrived} arrived */
const alone = ({ codec }) => codec !== "h264";

/** @param {Sheet} sheet */
const magnification = ({ camera }) => Math.log(Math.min(camera.width, camera.height)) * -1 - cameras.lnScale(camera);
