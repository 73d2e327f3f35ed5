/**
 * One surfel as a Gaussian on the screen, in float64: what the shader does for all of them in float32. Drawn from this
 * are surfels of blocks too large for float32, and found by it is what a pixel shows. The definition, and why it is
 * so, is `runtime/renderers/projection.py`.
 */

import { mipShare, modulate, weight } from "./scales.js";

/** @typedef {import("./lens.js").Lens} Lens */
/** @typedef {import("./lens.js").Frame} Frame */
/** @typedef {import("./camera.js").Vec3} Vec3 */
/**
 * @typedef {object} Surfel
 * @property {Vec3} mean cell edges from the cell's centre
 * @property {[Vec3, Vec3, Vec3]} axes its own, world axes, of length one; the third is the normal
 * @property {[number, number]} lnScales ln of the standard deviations along the first two, cell edges
 * @property {number} opacity
 * @property {number} native x, relative to ln edge
 * @property {number} parent how much coarser what stands for it is; Infinity: nothing
 * @property {number} child how much finer what covers it is; Infinity: nothing
 */
/** @typedef {{residency: number, below: number, level: number, finest: number, coarsest: number}} Shares of a block */
/**
 * @typedef {object} Splat
 * @property {number} u pixels
 * @property {number} v
 * @property {number} unit pixels: of the variances
 * @property {number} xx covariance, blurred, unit^2
 * @property {number} xy
 * @property {number} yy
 * @property {number} det of it
 * @property {number} opacity modulated and compensated for the blur
 * @property {number} key what it is sorted by, pixels at the pivot
 * @property {Vec3} point P of its centre
 * @property {Vec3[]} axes view axes
 * @property {number} reach in depth of its 3 sigma, pixels at the pivot
 */

export const BLUR = 0.1; // px^2
export const MIN_ALPHA = 1 / 255;
export const MAX_ALPHA = 0.99;
export const EDGE = 0.15; // of the image size: how far outside the Jacobian follows a surfel
export const NEAR = 2 ** -7; // depth, in D
export const NEAR_SIGMAS = 3;
export const KEY_SIGMAS = 3;
export const THICKNESS = 0.02; // native pixels

/** @param {number[]} m row by row @param {Vec3} v @returns {Vec3} */
const turned = (m, [x, y, z]) => [
  m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z,
];

/** How a surfel is drawn; null where it is not. @param {Lens} lens @param {Frame} frame of its cell @param {Surfel} surfel
 * @param {Shares} shares of its block @returns {Splat | null} */
export function splatOf(lens, frame, surfel, shares) {
  const { rotation, inverseF, ax, ay } = lens;
  const [x, y, z] = turned(rotation, surfel.mean).map((part, i) => part * frame.edge + frame.origin[i]);
  const lengths = surfel.lnScales.map(Math.exp);
  const sigma = Math.max(...lengths) * frame.edge;
  const w = 1 + z * inverseF;
  if (!(w >= NEAR && w >= NEAR_SIGMAS * sigma * inverseF)) return null;
  const ratio = Math.max(lens.radial ? Math.hypot(x * inverseF, y * inverseF, w) : w, NEAR);
  const t = frame.scale + Math.log(ratio) - surfel.native;
  const { residency, below, level, finest, coarsest } = shares;
  const alpha = weight(t, surfel.parent, surfel.child, residency, below) *
    mipShare(t / Math.LN2 + lens.pixelOctaves, level, finest, coarsest);
  if (!(alpha > 0)) return null;

  const [u, v] = [(ax * x) / w + lens.cx, (ay * y) / w + lens.cy];
  const slopeU = (clamped(u, lens.width) - lens.cx) * inverseF;
  const slopeV = (clamped(v, lens.height) - lens.cy) * inverseF;
  const axes = surfel.axes.map((axis) => turned(rotation, axis));
  const own = [lengths[0], lengths[1], THICKNESS * Math.exp(surfel.native)];
  const spreadU = axes.map((axis, i) => (ax * axis[0] - slopeU * axis[2]) * own[i]);
  const spreadV = axes.map((axis, i) => (ay * axis[1] - slopeV * axis[2]) * own[i]);
  const scale = frame.edge / w;
  const unit = Math.max(1, scale * Math.max(...spreadU.map(Math.abs), ...spreadV.map(Math.abs)));
  const [a, b, c] = spreadU.map((part) => (part * scale) / unit);
  const [d, e, f] = spreadV.map((part) => (part * scale) / unit);
  let [xx, yy] = [a * a + b * b + c * c, d * d + e * e + f * f];
  const sharp = (a * e - b * d) ** 2 + (a * f - c * d) ** 2 + (b * f - c * e) ** 2;
  const blur = BLUR / unit / unit;
  const det = Math.max(sharp + blur * (xx + yy) + blur * blur, 1e-300);
  xx += blur;
  yy += blur;
  const opacity = modulate(surfel.opacity, alpha) * Math.sqrt(sharp / det);
  if (!(opacity > MIN_ALPHA)) return null;
  const reach = 3 * frame.edge * (Math.abs(axes[0][2]) * own[0] + Math.abs(axes[1][2]) * own[1]);
  return { u, v, unit, xx, xy: a * d + b * e + c * f, yy, det, opacity, key: z + KEY_SIGMAS * sigma, point: [x, y, z], axes, reach };
}

/** @param {number} at @param {number} size of the picture */
const clamped = (at, size) => Math.max(-EDGE * size, Math.min((1 + EDGE) * size, at));

/** Its alpha at a pixel. @param {Splat} splat @param {number} u @param {number} v */
export function alphaAt(splat, u, v) {
  const [dx, dy] = [(u - splat.u) / splat.unit, (v - splat.v) / splat.unit];
  const square = (splat.yy * dx * dx - 2 * splat.xy * dx * dy + splat.xx * dy * dy) / splat.det;
  return Math.min(MAX_ALPHA, splat.opacity * Math.exp(-0.5 * square));
}

/** Coordinates of a pixel along the axes of a splat, in its sigmas: affine in the pixel, however large the splat is.
 * @param {Splat} splat @param {number} u @param {number} v @returns {[number, number]} */
export function sigmasAt(splat, u, v) {
  // Cholesky's factor of the covariance: its inverse whitens.
  const { xx, xy, det, unit } = splat;
  const [dx, dy] = [(u - splat.u) / unit, (v - splat.v) / unit];
  const first = Math.sqrt(xx);
  return [dx / first, (dy - (xy / xx) * dx) / Math.sqrt(det / xx)];
}

/** The depth at which the ray through a pixel meets a splat's plane, within its extent, pixels at the pivot.
 * @param {Lens} lens @param {Splat} splat @param {number} u @param {number} v */
export function depthAt(lens, splat, u, v) {
  const [x, y, z] = splat.point;
  const [a, b] = [(u - lens.cx) / lens.ax, (v - lens.cy) / lens.ay]; // the ray is (a, b, 0) + depth (a / f, b / f, 1)
  const [nx, ny, nz] = splat.axes[2];
  const facing = nx * a * lens.inverseF + ny * b * lens.inverseF + nz;
  if (Math.abs(facing) < 1e-9) return z;
  const depth = (nx * (x - a) + ny * (y - b) + nz * z) / facing;
  return Math.max(z - splat.reach, Math.min(z + splat.reach, depth));
}
