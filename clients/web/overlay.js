/** What lies over the picture: others and where they look, zooms that are being made, and the spot that was clicked. */

import * as cameras from "./camera.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{name: string, color: string, camera: Camera}} Other */
/** @typedef {{camera: Camera, color: string, label: string, progress: number | null}} Making progress null: waits */
/** @typedef {{u: number, v: number}} Point */

const LEAST = 14; // CSS pixels: a view that is smaller is a dot
const LABEL = 19; // CSS pixels of its height
const LARGEST = 6; // viewports: a frame that is larger is not seen

export class Overlay {
  /** @param {HTMLCanvasElement} canvas @param {(context: CanvasRenderingContext2D, camera: Camera) => void} under draws what
   * lies under all that */
  constructor(canvas, under) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser draws no canvas");
    this.canvas = canvas;
    this.context = context;
    this.under = under;
    /** @type {Other[]} */
    this.others = [];
    /** @type {Making[]} */
    this.making = [];
    /** @type {Camera | null} what a zoom at the clicked spot would show */
    this.target = null;
    /** Labels of this picture: none covers another. @type {{x: number, y: number, width: number}[]} */
    this.labels = [];
  }

  /** @param {Camera} camera @param {{width: number, height: number, density: number}} size of the viewport */
  draw(camera, size) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    this.labels = [];
    this.under(context, camera);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const seen = (/** @type {Camera} */ view) => outline(camera, view, size);
    for (const each of this.making) this.drawMaking(each, seen(each.camera));
    for (const other of this.others) this.drawOther(other, camera, size, seen(other.camera));
    if (this.target) this.drawTarget(seen(this.target));
  }

  /** @param {Making} making @param {Outline | null} frame */
  drawMaking(making, frame) {
    if (!frame) return;
    const { context } = this;
    context.strokeStyle = making.color;
    context.lineWidth = 1.5;
    context.setLineDash(making.progress === null ? [3, 5] : [7, 5]);
    trace(context, frame.corners);
    context.stroke();
    context.setLineDash([]);
    if (frame.size < 60) return;
    const [x, y] = frame.corners[3];
    const length = Math.hypot(frame.corners[2][0] - x, frame.corners[2][1] - y);
    context.fillStyle = "rgb(255 255 255 / 25%)";
    context.fillRect(x, y + 5, length, 3);
    context.fillStyle = making.color;
    context.fillRect(x, y + 5, length * (making.progress ?? 0), 3);
    this.label(making.label, x, y + 14, making.color);
  }

  /** @param {Other} other @param {Camera} camera @param {{width: number, height: number, density: number}} size
   * @param {Outline | null} frame */
  drawOther(other, camera, size, frame) {
    if (!frame) return;
    const { context } = this;
    context.strokeStyle = context.fillStyle = other.color;
    if (frame.size < LEAST) {
      const [x, y] = frame.middle;
      context.beginPath();
      context.arc(x, y, 4, 0, 7);
      context.fill();
      context.lineWidth = 1;
      context.beginPath();
      context.arc(x, y, 9, 0, 7);
      context.stroke();
      this.label(other.name, x + 14, y - 9, other.color);
      return;
    }
    context.lineWidth = 2;
    trace(context, frame.corners);
    context.stroke();
    const eye = cameras.eyeOf(other.camera);
    const apex = eye && cameras.project(camera, eye);
    if (apex?.visible && apex.w > 0.05) {
      // Their eye, where one does not look through it oneself: the rest of the frustum.
      const at = [apex.u / size.density, apex.v / size.density];
      context.globalAlpha = 0.5;
      context.lineWidth = 1;
      for (const [x, y] of frame.corners) {
        context.beginPath();
        context.moveTo(at[0], at[1]);
        context.lineTo(x, y);
        context.stroke();
      }
      context.globalAlpha = 1;
    }
    const [x, y] = frame.corners[0];
    this.label(other.name, Math.max(8, Math.min(x, size.width - 90)), Math.max(size.width < 640 ? 112 : 64, y - 24), other.color);
  }

  /** @param {Outline | null} frame */
  drawTarget(frame) {
    if (!frame) return;
    const { context } = this;
    const arm = Math.max(6, Math.min(22, frame.size / 4));
    for (const [color, width] of /** @type {const} */ ([["rgb(0 0 0 / 55%)", 5], ["#ffffff", 2.2]])) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.lineCap = "round";
      frame.corners.forEach((corner, i) => {
        for (const next of [frame.corners[(i + 1) % 4], frame.corners[(i + 3) % 4]]) {
          const length = Math.hypot(next[0] - corner[0], next[1] - corner[1]) || 1;
          context.beginPath();
          context.moveTo(corner[0], corner[1]);
          context.lineTo(corner[0] + ((next[0] - corner[0]) * arm) / length, corner[1] + ((next[1] - corner[1]) * arm) / length);
          context.stroke();
        }
      });
    }
  }

  /** @param {string} text @param {number} x @param {number} y @param {string} color */
  label(text, x, y, color) {
    const { context } = this;
    const shown = text.length > 28 ? `${text.slice(0, 27)}…` : text;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const width = context.measureText(shown).width + 14;
    const row = free(this.labels, x, y, width);
    this.labels.push({ x, y: row, width });
    context.fillStyle = "rgb(11 14 20 / 78%)";
    context.beginPath();
    context.roundRect(x, row, width, LABEL, 6);
    context.fill();
    context.fillStyle = color;
    context.fillText(shown, x + 7, row + 10);
  }
}

/** Where a label goes: at y, or below those that are there. @param {{x: number, y: number, width: number}[]} labels
 * @param {number} x @param {number} y @param {number} width */
export function free(labels, x, y, width) {
  const beside = labels.filter((other) => x < other.x + other.width && other.x < x + width).sort((a, b) => a.y - b.y);
  let row = y;
  for (const other of beside) if (Math.abs(other.y - row) < LABEL + 2) row = other.y + LABEL + 2;
  return row;
}

/** @typedef {{corners: [number, number][], middle: [number, number], size: number}} Outline CSS pixels */

/** The frame of a view as another sees it; null where it is not to be seen. @param {Camera} camera @param {Camera} view
 * @param {{width: number, height: number, density: number}} size @returns {Outline | null} */
export function outline(camera, view, size) {
  /** @type {[number, number][]} */
  const corners = [];
  for (const [u, v] of [[0, 0], [view.width, 0], [view.width, view.height], [0, view.height]]) {
    const point = cameras.project(camera, cameras.placeAt(view, u, v));
    if (!point.visible || !Number.isFinite(point.u + point.v)) return null;
    corners.push([point.u / size.density, point.v / size.density]);
  }
  const [x, y] = [0, 1].map((i) => corners.reduce((sum, corner) => sum + corner[i] / 4, 0));
  const extent = Math.hypot(corners[0][0] - corners[2][0], corners[0][1] - corners[2][1]);
  const reach = Math.max(size.width, size.height);
  if (extent > LARGEST * reach || x < -reach || y < -reach || x > 2 * reach || y > 2 * reach) return null;
  return { corners, middle: [x, y], size: extent };
}

/** @param {CanvasRenderingContext2D} context @param {[number, number][]} corners */
function trace(context, corners) {
  context.beginPath();
  for (const [x, y] of corners) context.lineTo(x, y);
  context.closePath();
}
