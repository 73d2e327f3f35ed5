/**
 * What a pixel shows, found among the surfels that are drawn: the one that weighs most in it, and where the pixel's ray
 * meets its plane. As `scene_graph/picking.py` does, without asking anybody.
 */

import { LARGE, PAGE } from "./culling.js";
import { MIN_ALPHA, alphaAt, depthAt, splatOf } from "./splats.js";
import { surfelAt } from "./surfelformat.js";

/** @typedef {import("./blockstore.js").BlockStore} BlockStore */
/** @typedef {import("./blockstore.js").Drawn} Drawn */
/** @typedef {import("./lens.js").Frame} Frame */
/** @typedef {import("./lens.js").Lens} Lens */

const REACH = 3.4; // sigma
const MIN_TRANSMITTANCE = 1e-4;

/** The depth of what is at pixel (u, v), pixels at the pivot; null for nothing. @param {Uint32Array} order back to front
 * @param {number[]} large @param {BlockStore} store @param {Drawn[]} drawn @param {Frame[]} frames of these @param {Lens} lens
 * @param {number} u @param {number} v @returns {number | null} */
export function pickAmong(order, large, store, drawn, frames, lens, u, v) {
  /** @type {({drawn: Drawn, frame: Frame} | undefined)[]} */
  const byRow = [];
  drawn.forEach((each, i) => {
    byRow[each.held.row] = { drawn: each, frame: frames[i] };
  });
  let [left, most] = [1, 0];
  /** @type {number | null} */
  let depth = null;
  for (let k = order.length - 1; k >= 0 && left > MIN_TRANSMITTANCE; k--) {
    const number = order[k] >= LARGE ? large[order[k] - LARGE] : order[k];
    const page = Math.floor(number / PAGE);
    const seen = byRow[store.pageRows[page]];
    if (!seen?.drawn.held.payload) continue;
    const { held } = seen.drawn;
    const { payload } = seen.drawn.held;
    const i = held.pages.indexOf(page) * PAGE + (number % PAGE);
    if (!near(payload, i, seen.frame, lens, u, v)) continue;
    const splat = splatOf(lens, seen.frame, surfelAt(payload, held.bounds, i), seen.drawn);
    const alpha = splat ? alphaAt(splat, u, v) : 0;
    if (!splat || alpha < MIN_ALPHA) continue;
    if (left * alpha > most) {
      most = left * alpha;
      depth = depthAt(lens, splat, u, v);
    }
    left *= 1 - alpha;
  }
  return depth;
}

/** Whether a surfel may touch a pixel, quickly. @param {import("./surfelformat.js").Payload} payload @param {number} i
 * @param {Frame} frame @param {Lens} lens @param {number} u @param {number} v */
function near({ words, ranges }, i, { origin, edge }, lens, u, v) {
  const r = lens.rotation;
  const x = (ranges[6] + ranges[7] * (words[4 * i] & 65535)) * edge;
  const y = (ranges[6] + ranges[7] * (words[4 * i] >>> 16)) * edge;
  const z = (ranges[6] + ranges[7] * (words[4 * i + 1] & 65535)) * edge;
  const w = 1 + (r[6] * x + r[7] * y + r[8] * z + origin[2]) * lens.inverseF;
  const across = lens.ax * (r[0] * x + r[1] * y + r[2] * z + origin[0]) - (u - lens.cx) * w;
  const down = lens.ay * (r[3] * x + r[4] * y + r[5] * z + origin[1]) - (v - lens.cy) * w;
  const steps = words[4 * i + 2];
  const longest = Math.exp(Math.max(ranges[0] + ranges[1] * ((steps >>> 8) & 255), ranges[2] + ranges[3] * ((steps >>> 16) & 255)));
  const tilt = 1.5 + 2 * Math.max(lens.width, lens.height) * lens.inverseF; // a slanted view stretches what is beside its axis
  return Math.hypot(across, down) < tilt * (REACH * longest * edge + 2 * Math.abs(w));
}
