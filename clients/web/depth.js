/**
 * The depth of a picture as the wire has it: section 5 of PROTOCOL.md. Of each sample the depth in pixels at the pivot of
 * the camera that the picture was drawn with.
 */

import { BadBlock, inflated } from "./surfelformat.js";

/** @typedef {{width: number, height: number, zeta: Float32Array}} Depth NaN where nothing is */

const MAX_SAMPLES = 1 << 20;
const EVEN = 32; // pixels
const PIVOT = 32768;
const MAX_ASINH = 75;
const MAX_ZETA = 1e30;
const LN_ORTHOGRAPHIC = Math.log(1e200); // of f: zeta is what is stored

/** @param {{width: number, height: number, step: number, payload: Uint8Array}} sent @param {number} lnF of its camera
 * @returns {Promise<Depth>} */
export async function decodeDepth({ width, height, step, payload }, lnF) {
  const samples = width * height;
  if (!(samples >= 1 && samples <= MAX_SAMPLES)) throw new BadBlock(`depth of ${samples} samples`);
  const bytes = await inflated(payload, 2 * samples);
  const zeta = new Float32Array(samples);
  const known = new Map(); // a picture has a few hundred numbers, and each costs two exponentials
  let number = 0;
  for (let y = 0, first = 0; y < height; y++) {
    number = first;
    for (let x = 0, at = y * width; x < width; x++, at++) {
      const folded = (bytes[at] << 8) | bytes[samples + at];
      number = (number + ((folded >> 1) ^ -(folded & 1))) & 65535;
      if (x === 0) first = number;
      let value = known.get(number);
      if (value === undefined) known.set(number, (value = zetaOf(number, step, lnF)));
      zeta[at] = value;
    }
  }
  return { width, height, zeta };
}

/** @param {number} number of a sample @param {number} step @param {number} lnF */
function zetaOf(number, step, lnF) {
  if (number === 0) return NaN;
  const even = EVEN * Math.sinh(Math.max(-MAX_ASINH, Math.min(MAX_ASINH, (number - PIVOT) * step)));
  const zeta = lnF > LN_ORTHOGRAPHIC ? even : Math.expm1(even * Math.exp(-lnF)) * Math.exp(lnF);
  return Math.max(-MAX_ZETA, Math.min(MAX_ZETA, zeta));
}
