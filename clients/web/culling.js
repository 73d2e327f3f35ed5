/**
 * Which surfels show in a picture, and in which order: page by page, then surfel by surfel, by frustum and by Eq. 3;
 * then sorted back to front. Pure arithmetic, for `sorter.js` to do in a worker and for tests to do without one.
 */

import { MIP_FADE, MIP_REACH } from "./scales.js";
import { EDGE, KEY_SIGMAS, MIN_ALPHA, NEAR, NEAR_SIGMAS } from "./splats.js";

/** @typedef {import("./lens.js").Lens} Lens */
/** @typedef {import("./lens.js").Frame} Frame */
/** @typedef {import("./splats.js").Shares} Shares */
/**
 * @typedef {object} Page of at most PAGE surfels of one block
 * @property {number} first number of its first surfel
 * @property {number} rows
 * @property {Float32Array} data columns of PAGE numbers, see below
 * @property {[number, number, number, number]} sphere centre and radius with 3.4 sigma, cell edges
 * @property {number} coarsest greatest scale at which one of them has a weight, relative to ln edge
 * @property {number} finest least one
 */
/** @typedef {{pages: Page[], frame: Frame, shares: Shares}} Seen a block as a camera sees it */

export const PAGE = 128; // surfels
/** Columns of a page: the larger deviation, cell edges; the bounds as 1 / distance, 0 for none. */
export const [X, Y, Z, SIGMA, NATIVE, PARENT, CHILD, OPACITY] = [0, 1, 2, 3, 4, 5, 6, 7].map((column) => column * PAGE);
/** A block with a larger edge is projected in float64: its surfels are listed apart. */
export const LARGE_EDGE = 2 ** 20; // pixels
/** Marks a number in the order that counts in the list of those. */
export const LARGE = 0x80000000;
const REACH = 3.4; // sigma, where alpha is below MIN_ALPHA
const CUT_PX = 1.2; // beyond that, by the blur
const MOST_GAIN = 1.65; // Li2(o) <= 1.65 o: an opacity is modulated to no more than this times its weight
const LOG_KEY = 2 ** 64; // keys beyond are logarithmic

/** A page of rows that are written column by column. @param {number} first @param {number} rows
 * @param {(data: Float32Array) => void} write X, Y, Z, SIGMA ... of each row @returns {Page} */
export function makePage(first, rows, write) {
  const data = new Float32Array(8 * PAGE);
  write(data);
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  let [coarsest, finest, radius] = [-Infinity, Infinity, 0];
  for (let i = 0; i < rows; i++) {
    coarsest = Math.max(coarsest, data[NATIVE + i] + 1 / data[PARENT + i]);
    finest = Math.min(finest, data[NATIVE + i] - 1 / data[CHILD + i]);
    for (let k = 0; k < 3; k++) {
      const at = data[k * PAGE + i];
      if (at < low[k]) low[k] = at;
      if (at > high[k]) high[k] = at;
    }
  }
  const [x, y, z] = low.map((each, k) => (each + high[k]) / 2);
  for (let i = 0; i < rows; i++) {
    const dx = data[X + i] - x;
    const dy = data[Y + i] - y;
    const dz = data[Z + i] - z;
    radius = Math.max(radius, Math.sqrt(dx * dx + dy * dy + dz * dz) + REACH * data[SIGMA + i]);
  }
  return { first, rows, data, sphere: [x, y, z, radius], coarsest, finest };
}

/** Numbers of surfels in the order in which they are drawn. */
export class Order {
  constructor() {
    this.count = 0;
    this.numbers = new Uint32Array(0);
    this.keys = new Float32Array(0);
    this.bits = new Uint32Array(this.keys.buffer);
    this.spare = [new Uint32Array(0), new Uint32Array(0)];
    this.counts = new Uint32Array(2 * 65536);
    /** Numbers of surfels that float32 can't project; the order says LARGE + where in this list. @type {number[]} */
    this.large = [];
  }

  /** Of a picture of these blocks, the last of which is in front of another one at the same depth that comes later.
   * @param {Seen[]} blocks in the order of (node, cell, level) @param {Lens} lens
   * @param {number} margin pixels around the picture that are wanted too, for a camera that moves on */
  of(blocks, lens, margin) {
    let most = 0;
    for (const { pages } of blocks) for (const page of pages) most += page.rows;
    if (this.numbers.length < most) {
      const room = Math.ceil(1.25 * most);
      this.numbers = new Uint32Array(room);
      this.keys = new Float32Array(room);
      this.bits = new Uint32Array(this.keys.buffer);
      this.spare = [new Uint32Array(room), new Uint32Array(room)];
    }
    this.count = 0;
    this.large = [];
    const sides = sidesOf(lens, margin);
    for (let b = blocks.length - 1; b >= 0; b--) { // ties: who comes first is drawn last
      const { pages, frame, shares } = blocks[b];
      if (shares.residency <= 0) continue;
      for (let p = pages.length - 1; p >= 0; p--) {
        if (touches(pages[p], frame, shares, lens, sides)) this.take(pages[p], frame, shares, lens, sides);
      }
    }
    this.sort();
  }

  /** @param {Page} page @param {Frame} frame @param {Shares} shares @param {Lens} lens @param {Sides} sides */
  take(page, frame, shares, lens, sides) {
    const { data, first } = page;
    const { edge, origin, scale } = frame;
    const { residency, below, level, finest, coarsest } = shares;
    const { inverseF, ax, ay, radial, pixelOctaves } = lens;
    const { left, right, top, bottom, normX, normY } = sides;
    const [a, b, c, d, e, f, g, h, k] = lens.rotation.map((part) => part * edge);
    const [x0, y0, z0] = origin;
    const isLarge = edge > LARGE_EDGE;
    for (let i = page.rows - 1; i >= 0; i--) {
      const px = data[X + i];
      const py = data[Y + i];
      const pz = data[Z + i];
      const z = g * px + h * py + k * pz + z0;
      const w = 1 + z * inverseF;
      const sigma = data[SIGMA + i] * edge;
      if (!(w >= NEAR && w >= NEAR_SIGMAS * sigma * inverseF)) continue;
      const x = a * px + b * py + c * pz + x0;
      const y = d * px + e * py + f * pz + y0;
      const reachX = REACH * sigma * normX + CUT_PX * w;
      const reachY = REACH * sigma * normY + CUT_PX * w;
      if (left * w - ax * x > reachX || ax * x - right * w > reachX) continue;
      if (top * w - ay * y > reachY || ay * y - bottom * w > reachY) continue;
      const ratio = radial ? Math.sqrt((x * x + y * y) * inverseF * inverseF + w * w) : w;
      const t = scale + Math.log(ratio) - data[NATIVE + i];
      const up = Math.max(0, Math.min(1, 1 - t * data[PARENT + i]));
      const down = Math.max(0, Math.min(1, 1 + t * data[CHILD + i]));
      let alpha = residency * up - below * (1 - down);
      if (finest !== coarsest) {
        const nearest = Math.max(finest, Math.min(coarsest, t / Math.LN2 + pixelOctaves - 0.5));
        alpha *= Math.max(0, Math.min(1, (MIP_REACH - Math.abs(nearest - level)) / MIP_FADE));
      }
      if (alpha * data[OPACITY + i] * MOST_GAIN < MIN_ALPHA) continue;
      this.numbers[this.count] = isLarge ? LARGE + this.large.length : first + i;
      if (isLarge) this.large.push(first + i);
      const key = z + KEY_SIGMAS * sigma;
      this.keys[this.count++] = Math.abs(key) <= LOG_KEY ? key : Math.sign(key) * LOG_KEY * (1 + Math.log2(Math.abs(key) / LOG_KEY));
    }
  }

  /** By key, the largest first; what is equal stays in order. Two passes of counting, 16 bits each. */
  sort() {
    const { bits, counts, count, numbers } = this;
    const [spareBits, spareNumbers] = this.spare;
    counts.fill(0);
    for (let i = 0; i < count; i++) {
      const raw = bits[i];
      const key = ~(raw & LARGE ? ~raw : raw | LARGE) >>> 0; // floats as integers in falling order
      bits[i] = key;
      counts[key & 0xffff]++;
      counts[0x10000 + (key >>> 16)]++;
    }
    for (let pass = 0; pass < 2; pass++) {
      let sum = 0;
      for (let i = pass << 16; i < (pass + 1) << 16; i++) {
        const here = counts[i];
        counts[i] = sum;
        sum += here;
      }
    }
    for (let i = 0; i < count; i++) {
      const to = counts[bits[i] & 0xffff]++;
      spareBits[to] = bits[i];
      spareNumbers[to] = numbers[i];
    }
    for (let i = 0; i < count; i++) numbers[counts[0x10000 + (spareBits[i] >>> 16)]++] = spareNumbers[i];
  }
}

/** @typedef {{left: number, right: number, top: number, bottom: number, normX: number, normY: number}} Sides */

/** The sides of the picture, from its principal point. @param {Lens} lens @param {number} margin @returns {Sides} */
function sidesOf(lens, margin) {
  const { cx, cy, width, height, inverseF, ax, ay } = lens;
  // A surfel reaches as far across a side as its Jacobian says, which follows it to EDGE beyond the picture.
  const tilt = (/** @type {number} */ center, /** @type {number} */ size) =>
    Math.max(Math.abs(-EDGE * size - center), Math.abs((1 + EDGE) * size - center)) * inverseF;
  return {
    left: -margin - cx, right: width + margin - cx, top: -margin - cy, bottom: height + margin - cy,
    normX: Math.hypot(ax, tilt(cx, width)), normY: Math.hypot(ay, tilt(cy, height)),
  };
}

/** Whether something of a page may show. @param {Page} page @param {Frame} frame @param {Shares} shares @param {Lens} lens
 * @param {Sides} sides */
function touches(page, frame, shares, lens, sides) {
  const { rotation, inverseF, ax, ay } = lens;
  const { edge, origin } = frame;
  const [sx, sy, sz] = [page.sphere[0] * edge, page.sphere[1] * edge, page.sphere[2] * edge];
  const x = rotation[0] * sx + rotation[1] * sy + rotation[2] * sz + origin[0];
  const y = rotation[3] * sx + rotation[4] * sy + rotation[5] * sz + origin[1];
  const z = rotation[6] * sx + rotation[7] * sy + rotation[8] * sz + origin[2];
  const radius = page.sphere[3] * edge;
  const [w, deep] = [1 + z * inverseF, radius * inverseF];
  if (w + deep < NEAR) return false;
  const reachX = radius * sides.normX + CUT_PX * (w + deep);
  const reachY = radius * sides.normY + CUT_PX * (w + deep);
  // Of a page around the eye the sides say nothing.
  if (w > deep) {
    if (sides.left * w - ax * x > reachX || ax * x - sides.right * w > reachX) return false;
    if (sides.top * w - ay * y > reachY || ay * y - sides.bottom * w > reachY) return false;
  }
  const depth = lens.radial ? Math.sqrt((x * x + y * y) * inverseF * inverseF + w * w) : w;
  if (frame.scale + Math.log(Math.max(depth - deep, NEAR)) > page.coarsest) return false;
  const over = frame.scale + Math.log(Math.max(depth + deep, NEAR)) < page.finest;
  return !(over && shares.below === shares.residency); // it shows where finer ones have not come all the way
}
