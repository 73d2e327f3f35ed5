/**
 * The flight from one camera to another: out until both places are in view, over, and in again, at a constant perceived
 * speed (van Wijk and Nuij 2003). The arithmetic is that of `scene_graph/flight.py`, where it is explained; both are
 * tested against the same vectors. It is as smooth after a thousand zooms as after one.
 */

import * as cameras from "./camera.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Place} Place */
/** @typedef {import("./camera.js").Quat} Quat */
/** @typedef {import("./camera.js").Vec3} Vec3 */

const RHO = 1.42;
const OCTAVES_PER_SECOND = 2.4;
const SHORTEST_S = 0.45;
const LONGEST_S = 5;
const TURN_PER_E_FOLD = 0.8;
const ONE_EYE = 1e-6;
const LEAST_TURN = 1e-6;
const LEAST_FOCAL = 0.7;
const LN_MOST = 300;
const BITS = 480;

/** @param {number} x */
const lnCosh = (x) => Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))) - Math.LN2;
/** @param {number} x positive */
const lnSinh = (x) => (x > 0 ? x + Math.log(-Math.expm1(-2 * x)) - Math.LN2 : -Infinity);
/** @param {Vec3} a @param {number} k @returns {Vec3} */
const times = ([x, y, z], k) => [k * x, k * y, k * z];
/** @param {Vec3} a @param {Vec3} b @returns {Vec3} */
const plus = ([a, b, c], [x, y, z]) => [a + x, b + y, c + z];
/** The turn by an angle about a unit axis. @param {Vec3} about @param {number} angle @returns {Quat} */
const rotation = ([x, y, z], angle) => {
  const s = Math.sin(angle / 2);
  return [Math.cos(angle / 2), s * x, s * y, s * z];
};

/** A flight: its length in seconds, and the camera at a share of them. @param {Camera} start @param {Camera} end */
export function flight(start, end) {
  const way = wayBetween(cameras.resized(start, end.width, end.height), end);
  const seconds = Math.min(LONGEST_S, SHORTEST_S + way.length / Math.LN2 / OCTAVES_PER_SECOND);
  /** @param {number} share */
  const at = (share) => {
    if (share <= 0) return start;
    if (share >= 1) return end;
    return along(way, share * share * (3 - 2 * share));
  };
  return { seconds, at };
}

/** @typedef {ReturnType<typeof wayBetween>} Way */

/** All that a flight needs to know of its two ends. @param {Camera} start @param {Camera} end */
function wayBetween(start, end) {
  let { unit, ln: lnApart } = apartFrom(start.pivot, end.pivot);
  const lnZoom = cameras.lnScale(end) - cameras.lnScale(start);
  const far = lnApart + 2 * Math.log(RHO) - Math.log(Math.min(end.width, end.height)) - cameras.lnScale(start);
  let [r0, r1] = [0, -lnZoom];
  if (!(lnApart > -Infinity) || far < -30 + Math.min(0, lnZoom)) {
    [unit, lnApart] = [[0, 0, 0], -Infinity];
  } else {
    r0 = minusAsinh([[1, 2 * lnZoom - far], [-1, -far], [1, far]]);
    r1 = minusAsinh([[1, lnZoom - far], [-1, -lnZoom - far], [-1, far - lnZoom]]);
  }
  const axes = [start, end].map(({ quat }) => cameras.rotate(cameras.conjugate(quat), [0, 0, 1]));
  const [x, y, z] = cameras.rotate(start.quat, axes[1]);
  const side = Math.hypot(x, y);
  const turn = Math.atan2(side, z);
  /** @type {Vec3} */
  const about = side > 0 ? [y / side, -x / side, 0] : [1, 0, 0];
  const straight = cameras.multiply(rotation(about, turn), start.quat);
  const [w, , , c] = cameras.multiply(end.quat, cameras.conjugate(straight));
  const angle = 2 * Math.atan2(c, w);
  const roll = angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
  const ratio = Math.exp(Math.min(start.lnDistance - end.lnDistance, 600));
  const between = times(unit, Math.exp(Math.min(lnApart - end.lnDistance, 600)));
  const gap = Math.hypot(...plus(axes[1], plus(times(between, -1), times(axes[0], -ratio))));
  const length = Math.hypot(r1 - r0, Math.hypot(turn, roll) / TURN_PER_E_FOLD);
  return { start, end, unit, lnApart, r0, r1, turn, about, roll, axes, oneEye: gap < ONE_EYE, length };
}

/** Unit vector and ln of the distance from one place to another, in root edges.
 * @param {Place} start @param {Place} end @returns {{ unit: Vec3, ln: number }} */
function apartFrom(start, end) {
  const level = Math.max(start.level, end.level);
  const [here, there] = [cameras.rebased(start, level), cameras.rebased(end, level)];
  const whole = /** @type {const} */ ([0, 1, 2]).map((i) => there.index[i] - here.index[i]);
  const shift = Math.max(0, ...whole.map((each) => (each < 0n ? -each : each).toString(16).length * 4 - BITS));
  const [a, b, c] = /** @type {const} */ ([0, 1, 2]).map(
    (i) => Number(whole[i] >> BigInt(shift)) + (there.offset[i] - here.offset[i]) * 2 ** -shift);
  const distance = Math.hypot(a, b, c);
  if (distance === 0) return { unit: [0, 0, 0], ln: -Infinity };
  return { unit: [a / distance, b / distance, c / distance], ln: Math.log(distance) + (shift - level) * Math.LN2 };
}

/** The camera at a share in (0, 1) of the way. @param {Way} way @param {number} share @returns {Camera} */
function along(way, share) {
  const { start, end, unit, lnApart, oneEye, turn } = way;
  const { lnWidth, gone, left } = hyperbola(way, share);
  const scale = cameras.lnScale(start) + lnWidth;
  const [done, rest] = [Math.exp(gone), Math.exp(left)];
  let lnDistance = start.lnDistance + share * (end.lnDistance - start.lnDistance);
  if (oneEye) lnDistance = Math.log(rest * Math.exp(start.lnDistance - end.lnDistance) + done) + end.lnDistance;
  const fromEnd = left < gone;
  const [near, part] = fromEnd ? [end, left] : [start, gone];
  // In pixels of the moment, world axes, from the nearer of the two pivots.
  let step = lnApart > -Infinity ? times(unit, (fromEnd ? -1 : 1) * Math.exp(part + lnApart - scale)) : times(unit, 0);
  if (oneEye && turn > LEAST_TURN) {
    step = plus(step, times(bend(way, fromEnd, part, lnDistance), Math.exp(part + near.lnDistance - scale)));
  }
  let f = lnDistance - scale;
  const narrowest = Math.log(LEAST_FOCAL * Math.min(end.width, end.height));
  const wide = Math.min(cameras.lnF(start), cameras.lnF(end), narrowest) - f;
  if (wide > 0) [lnDistance, f] = [lnDistance + wide, f + wide];
  const aspect = 0.5 * (rest * (start.lnFx - start.lnFy) + done * (end.lnFx - end.lnFy));
  const turned = cameras.multiply(rotation(way.about, done * turn), start.quat);
  const quat = cameras.multiply(rotation([0, 0, 1], done * way.roll), turned);
  const here = {
    ...end, pivot: near.pivot, quat, lnDistance, lnFx: f + aspect, lnFy: f - aspect,
    cx: rest * start.cx + done * end.cx, cy: rest * start.cy + done * end.cy,
  };
  return cameras.settled({ ...here, pivot: cameras.movedPivot(here, cameras.rotate(quat, step)) });
}

/** ln(w / w0), and ln of the parts of the way over that are done and left. @param {Way} way @param {number} share */
function hyperbola({ r0, r1, lnApart }, share) {
  if (lnApart === -Infinity) {
    const half = r1 / 2;
    const size = Math.abs(half);
    const lnWidth = -share * r1;
    if (size < 1e-9) return { lnWidth, gone: Math.log(share), left: Math.log1p(-share) };
    const gone = (1 - share) * half + lnSinh(share * size) - lnSinh(size);
    return { lnWidth, gone, left: -share * half + lnSinh((1 - share) * size) - lnSinh(size) };
  }
  const length = r1 - r0;
  const here = lnCosh(r0 + share * length);
  const gone = lnSinh(share * length) + lnCosh(r1) - lnSinh(length) - here;
  return { lnWidth: lnCosh(r0) - here, gone, left: lnSinh((1 - share) * length) + lnCosh(r0) - lnSinh(length) - here };
}

/** What keeps the eye where it is: how far the pivot leaves the straight way, in D of the nearer end and per part of
 * the way to it. @param {Way} way @param {boolean} fromEnd @param {number} part @param {number} lnDistance */
function bend({ start, end, axes, turn }, fromEnd, part, lnDistance) {
  const [near, other] = fromEnd ? [end, start] : [start, end];
  const [nearAxis, otherAxis] = fromEnd ? [axes[1], axes[0]] : axes;
  const t = Math.max(Math.exp(part), 1e-300);
  const ratio = Math.exp(other.lnDistance - near.lnDistance);
  const sine = Math.sin(turn);
  const far = (Math.exp(lnDistance - near.lnDistance) * Math.sin(t * turn)) / (t * sine) - ratio;
  let own = ((ratio - 1) * Math.sin((1 - t) * turn)) / sine + 1;
  own -= (2 * Math.cos((1 - 0.5 * t) * turn) * Math.sin(0.5 * t * turn)) / t / sine;
  return plus(times(otherAxis, far), times(nearAxis, own));
}

/** -asinh(b) for 2 b the sum of sign * exp(exponent). @param {[number, number][]} terms */
function minusAsinh(terms) {
  const most = Math.max(...terms.map(([, exponent]) => exponent));
  const total = 0.5 * terms.reduce((sum, [sign, exponent]) => sum + sign * Math.exp(exponent - most), 0);
  if (most < LN_MOST) return -Math.asinh(total * Math.exp(most));
  return total === 0 ? 0 : -Math.sign(total) * (Math.log(2 * Math.abs(total)) + most);
}
