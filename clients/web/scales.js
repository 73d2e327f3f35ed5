/**
 * The laws of scale that the picture obeys: Eq. 3 with residency, the share of a level of a pyramid, and the
 * modulation by optical mass. `scene_graph/scales.py` defines and explains them; both are tested against each other.
 * All scales are natural logarithms.
 */

export const MAX_OPACITY = 0.9999; // Li2 has an infinite slope at 1
export const LI2_TABLE_SIZE = 4096; // steps of the inverse: 1e-6 by linear interpolation
export const MIP_SHARPNESS = 0.5; // octaves
export const MIP_FADE = 0.125; // octaves
export const MIP_REACH = 0.5 + 0.5 * MIP_FADE;
const TERMS = 60; // (1/2)^60 is below what a float64 resolves

/** @param {number} value */
const share = (value) => Math.max(0, Math.min(1, value));

/**
 * The weight of a surfel seen at a scale `t` coarser than its own: w = R up - R_child (1 - dn), in [0, 1].
 * @param {number} t r - x
 * @param {number} parent how much coarser what stands for it is; Infinity: nothing does
 * @param {number} child how much finer what covers it is; Infinity: nothing does
 * @param {number} [residency] R @param {number} [below] R_child
 */
export function weight(t, parent, child, residency = 1, below = 1) {
  return share(residency * share(1 - t / parent) - below * (1 - share(1 + t / child)));
}

/** The share of a weight that a level of a pyramid has. @param {number} octaves of a pixel there, in native pixels
 * @param {number} level @param {number} finest of those that share it @param {number} coarsest */
export function mipShare(octaves, level, finest, coarsest) {
  if (finest === coarsest) return 1;
  const nearest = Math.max(finest, Math.min(coarsest, octaves - MIP_SHARPNESS));
  return share((MIP_REACH - Math.abs(nearest - level)) / MIP_FADE);
}

/** The dilogarithm of an opacity: its optical mass. @param {number} opacity in [0, 1] */
export function li2(opacity) {
  const reflected = opacity > 0.5;
  const z = reflected ? 1 - opacity : opacity;
  let [sum, power] = [0, 1];
  for (let n = 1; n < TERMS; n++) {
    power *= z;
    sum += power / (n * n);
  }
  if (!reflected) return sum;
  const whole = (Math.PI * Math.PI) / 6;
  return opacity >= 1 ? whole : whole - Math.log(opacity) * Math.log1p(-opacity) - sum;
}

export const LI2_MAX = li2(MAX_OPACITY);

/** The opacity of an optical mass, by Newton's method from a nearby one. @param {number} mass @param {number} from */
function opacityNear(mass, from) {
  let o = from;
  for (let i = 0; i < 6; i++) {
    const slope = o > 1e-9 ? -Math.log1p(-o) / o : 1;
    o = Math.max(0, Math.min(MAX_OPACITY, o - (li2(o) - mass) / slope));
  }
  return o;
}

/** @type {Float64Array | undefined} */
let table;

/** Opacities at LI2_TABLE_SIZE equal steps of optical mass from 0 to LI2_MAX; made when it is first asked for. */
export function li2InverseTable() {
  if (!table) {
    table = new Float64Array(LI2_TABLE_SIZE);
    for (let i = 1; i < LI2_TABLE_SIZE; i++) table[i] = opacityNear((LI2_MAX * i) / (LI2_TABLE_SIZE - 1), table[i - 1]);
  }
  return table;
}

/** The opacity that a surfel is drawn with at a weight. @param {number} opacity @param {number} alpha the weight */
export function modulate(opacity, alpha) {
  const o = Math.min(opacity, MAX_OPACITY);
  if (alpha >= 1) return o;
  const inverse = li2InverseTable();
  const at = ((alpha * li2(o)) / LI2_MAX) * (LI2_TABLE_SIZE - 1);
  const i = Math.min(LI2_TABLE_SIZE - 2, Math.floor(at));
  return inverse[i] + (at - i) * (inverse[i + 1] - inverse[i]);
}
