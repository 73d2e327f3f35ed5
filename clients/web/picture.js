/**
 * What one sees: the newest frame, moved to where the camera is by now, so that the picture follows the hand at once
 * and the server's next frame only makes it right. Stills of before fill what the frame does not reach.
 */

import * as cameras from "./camera.js";
import { jpeg } from "./dom.js";
import { Video } from "./video.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{bitmap: ImageBitmap, camera: Camera}} Sheet a picture with the camera that sees it so */
/** @typedef {Sheet & {frame: number, revision: number, still: boolean, codec: "jpeg" | "h264"}} Shown */
/** @typedef {{frame: number, revision: number, still?: boolean, codec?: "jpeg" | "h264", key?: boolean,
 *   payload: Uint8Array, camera: Camera}} Arrived */

const GROUND = "#0b0e14";
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
        const bitmap = alone(arrived)
          ? await createImageBitmap(jpeg(payload))
          : await this.video.decode(payload, !!arrived.key, camera.width, camera.height);
        if (bitmap) this.show({ bitmap, camera, frame, revision, still: !!arrived.still, codec: arrived.codec ?? "jpeg" });
      } catch (error) {
        console.warn("a frame could not be decoded", error);
      }
      this.acknowledge(frame, performance.now() - begun);
    }
    this.decoding = false;
  }

  /** @param {Shown} sheet */
  show(sheet) {
    const before = this.shown;
    this.shown = sheet;
    if (before) {
      if (before.still) this.keep(before);
      else before.bitmap.close();
    }
    this.changed();
  }

  /** A still becomes background. @param {Sheet} still */
  keep(still) {
    this.stills.push(still);
    while (this.stills.length > MOST_STILLS) this.stills.shift()?.bitmap.close();
  }

  /** Nothing that was shown is of this world any more. */
  forget() {
    for (const sheet of [...this.stills, ...this.previews.values(), ...(this.shown ? [this.shown] : [])]) sheet.bitmap.close();
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
    if (!covered) {
      context.fillRect(0, 0, canvas.width, canvas.height);
      const coarseFirst = [...this.stills].sort((a, b) => magnification(a) - magnification(b));
      for (const sheet of coarseFirst) this.blit(context, sheet, camera);
    }
    if (shown) this.blit(context, shown, camera);
    this.drawPreviews(context, camera);
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

  /** @param {CanvasRenderingContext2D} context @param {Sheet} sheet @param {Camera} camera */
  blit(context, sheet, camera) {
    const { canvas } = context;
    if (sheet.camera === camera) {
      context.setTransform(canvas.width / sheet.bitmap.width, 0, 0, canvas.height / sheet.bitmap.height, 0, 0);
      context.drawImage(sheet.bitmap, 0, 0);
      return;
    }
    const corners = this.corners(sheet, camera);
    if (!corners) return;
    const [a, b, c] = corners;
    const size = Math.max(Math.hypot(b.u - a.u, b.v - a.v), Math.hypot(c.u - a.u, c.v - a.v));
    if (size < 2 || size > LARGEST * Math.max(canvas.width, canvas.height)) return;
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

/** Whether a frame can be shown without those before it. @param {Arrived} arrived */
const alone = ({ codec }) => codec !== "h264";

/** @param {Sheet} sheet */
const magnification = ({ camera }) => Math.log(Math.min(camera.width, camera.height)) * -1 - cameras.lnScale(camera);
