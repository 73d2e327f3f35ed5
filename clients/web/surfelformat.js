/**
 * Surfels as the wire has them: `surfel_format` 1 of PROTOCOL.md, section 8. They stay quantised, sixteen bytes each,
 * and it is the shader that makes numbers of them; what else needs numbers takes them from here.
 */

import { CHILD, NATIVE, OPACITY, PARENT, SIGMA, X, Y, Z } from "./culling.js";

/** @typedef {import("./camera.js").Vec3} Vec3 */
/**
 * @typedef {object} Payload what never changes of the surfels of a block
 * @property {number} count
 * @property {Uint32Array} words four a surfel: x y, z and normal, angle and scales and opacity, colour and native scale
 * @property {number[]} ranges low and step of ln of the first and of the second scale, of the native one, and of positions
 */

export const FORMAT = 1;
export const MAX_SURFELS = 1 << 15;
export const NO_BOUND = 255;
const HEADER = 32; // bytes
const BYTES = 16; // a surfel
/** Steps of half a turn. */
export const ANGLES = 128;
const RANGE = 1.002; // cell edges, of positions
const MAX_LN = 12.5; // of lengths
const [NEAREST, FARTHEST] = [0.5 * Math.LN2, Math.log(1000)];
const BOUND_STEP = Math.log(FARTHEST / NEAREST) / (NO_BOUND - 1);

/** @param {number} byte */
export const opacityOf = (byte) => Math.max(byte, 1) / 255;
/** How far a bound is from the native scale of its surfel, ln; Infinity where there is none. @param {number} byte */
export const boundOf = (byte) => (byte === NO_BOUND ? Infinity : NEAREST * Math.exp(BOUND_STEP * byte));

export class BadBlock extends Error {}

/** The bytes of a zlib stream, which have to be so many. @param {Uint8Array} bytes @param {number} size */
export async function inflated(bytes, size) {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const whole = new Uint8Array(size);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > size) {
      await reader.cancel();
      throw new BadBlock(`more than ${size} bytes`);
    }
    whole.set(part.value, at);
    at += part.value.length;
  }
  if (at !== size) throw new BadBlock(`${at} bytes, not ${size}`);
  return whole;
}

/** How many surfels a payload says that it holds. @param {Uint8Array} bytes */
export function countOf(bytes) {
  if (bytes.length < HEADER) throw new BadBlock(`a payload of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  const count = view.getUint32(4, true);
  if (view.getUint8(0) !== FORMAT || view.getUint16(2, true) !== 0) throw new BadBlock(`surfels of format ${view.getUint8(0)}`);
  if (!(count >= 1 && count <= MAX_SURFELS)) throw new BadBlock(`${count} surfels`);
  return count;
}

/** @param {Uint8Array} bytes @returns {Promise<Payload>} */
export async function decodePayload(bytes) {
  const count = countOf(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  const bits = view.getUint8(1);
  if (!(bits >= 1 && bits <= 16)) throw new BadBlock(`positions of ${bits} bits`);
  const ranges = [0, 1, 2, 3, 4, 5].map((i) => view.getFloat32(8 + 4 * i, true));
  for (let i = 0; i < 6; i += 2) {
    const [low, step] = ranges.slice(i);
    if (!(Math.abs(low) <= MAX_LN && step >= 0 && low + 255 * step <= MAX_LN)) throw new BadBlock(`a column from ${low} by ${step}`);
  }
  ranges.push(-RANGE / 2, RANGE / (2 ** bits - 1));
  const planes = await inflated(bytes.subarray(HEADER), BYTES * count);
  for (let column = 6; column < BYTES; column++) summed(planes, column * count, count);
  const places = [0, 1, 2].map((axis) => positions(planes, axis, count, 2 ** bits - 1));
  const words = new Uint32Array(4 * count);
  const [nu, nv, angle, scale, scale2, native, opacity, red, green, blue] = Array.from({ length: 10 }, (_, k) => (6 + k) * count);
  for (let i = 0; i < count; i++) {
    words[4 * i] = places[0][i] | (places[1][i] << 16);
    words[4 * i + 1] = places[2][i] | (planes[nu + i] << 16) | (planes[nv + i] << 24);
    words[4 * i + 2] = planes[angle + i] | (planes[scale + i] << 8) | (planes[scale2 + i] << 16) | (planes[opacity + i] << 24);
    words[4 * i + 3] = planes[red + i] | (planes[green + i] << 8) | (planes[blue + i] << 16) | (planes[native + i] << 24);
  }
  return { count, words, ranges };
}

/** Differences from row to row become what they are differences of. @param {Uint8Array} planes @param {number} at
 * @param {number} count */
function summed(planes, at, count) {
  for (let i = 1; i < count; i++) planes[at + i] += planes[at + i - 1];
}

/** Places: differences, folded so that small ones of either sign are small, high bytes apart from low ones.
 * @param {Uint8Array} planes @param {number} axis @param {number} count @param {number} most */
function positions(planes, axis, count, most) {
  const places = new Uint16Array(count);
  let place = 0;
  for (let i = 0; i < count; i++) {
    const folded = (planes[axis * count + i] << 8) | planes[(axis + 3) * count + i];
    place = (place + ((folded >> 1) ^ -(folded & 1))) & 65535;
    if (place > most) throw new BadBlock(`a place of ${place}, ${most} at most`);
    places[i] = place;
  }
  return places;
}

/** Bounds of the surfels of a block: two bytes each, of the parent and of the child. @param {Uint8Array} bytes
 * @param {number} count */
export async function decodeBounds(bytes, count) {
  const columns = await inflated(bytes, 2 * count);
  summed(columns, 0, count);
  summed(columns, count, count);
  const pairs = new Uint8Array(2 * count);
  for (let i = 0; i < count; i++) {
    pairs[2 * i] = columns[i];
    pairs[2 * i + 1] = columns[count + i];
  }
  return pairs;
}

/** The unit normal of two bytes on a half octahedron. @param {number} first @param {number} second @returns {Vec3} */
function normalOf(first, second) {
  const [a, b] = [(first / 255) * 2 - 1, (second / 255) * 2 - 1];
  const [p, q] = [0.5 * (a + b), 0.5 * (a - b)];
  const r = 1 - Math.abs(p) - Math.abs(q);
  const length = Math.hypot(p, q, r);
  return [p / length, q / length, r / length];
}

/** 1 / distance of bounds. */
const SLOPES = Float32Array.from({ length: 256 }, (_, byte) => 1 / boundOf(byte));

/** Some rows as columns of a page. @param {Payload} payload @param {Uint8Array} bounds @param {number} first @param {number} rows
 * @param {Float32Array} data */
export function columns({ words, ranges }, bounds, first, rows, data) {
  const [low, step, low2, step2, native, nativeStep, place, placeStep] = ranges;
  for (let i = 0; i < rows; i++) {
    const at = 4 * (first + i);
    data[X + i] = place + placeStep * (words[at] & 65535);
    data[Y + i] = place + placeStep * (words[at] >>> 16);
    data[Z + i] = place + placeStep * (words[at + 1] & 65535);
    data[SIGMA + i] = Math.exp(Math.max(low + step * ((words[at + 2] >>> 8) & 255), low2 + step2 * ((words[at + 2] >>> 16) & 255)));
    data[NATIVE + i] = native + nativeStep * (words[at + 3] >>> 24);
    data[PARENT + i] = SLOPES[bounds[2 * (first + i)]];
    data[CHILD + i] = SLOPES[bounds[2 * (first + i) + 1]];
    data[OPACITY + i] = opacityOf(words[at + 2] >>> 24);
  }
}

/** One surfel. @param {Payload} payload @param {Uint8Array} bounds @param {number} i
 * @returns {import("./splats.js").Surfel & {color: Vec3}} colour as bytes */
export function surfelAt({ words, ranges }, bounds, i) {
  const [w0, w1, w2, w3] = words.subarray(4 * i, 4 * i + 4);
  const place = (/** @type {number} */ number) => ranges[6] + ranges[7] * number;
  const normal = normalOf((w1 >>> 16) & 255, w1 >>> 24);
  const [x, y, z] = normal;
  const k = 1 / (1 + z);
  const angle = (w2 & 255) * (Math.PI / ANGLES);
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const across = [1 - x * x * k, -x * y * k, -x];
  const along = [-x * y * k, 1 - y * y * k, -y];
  const mixed = (/** @type {number} */ a, /** @type {number} */ b) =>
    /** @type {Vec3} */ (across.map((part, axis) => a * part + b * along[axis]));
  return {
    mean: [place(w0 & 65535), place(w0 >>> 16), place(w1 & 65535)],
    axes: [mixed(cosine, sine), mixed(-sine, cosine), normal],
    lnScales: [ranges[0] + ranges[1] * ((w2 >>> 8) & 255), ranges[2] + ranges[3] * ((w2 >>> 16) & 255)],
    opacity: opacityOf(w2 >>> 24),
    native: ranges[4] + ranges[5] * (w3 >>> 24),
    parent: boundOf(bounds[2 * i]), child: boundOf(bounds[2 * i + 1]),
    color: [w3 & 255, (w3 >>> 8) & 255, (w3 >>> 16) & 255],
  };
}
