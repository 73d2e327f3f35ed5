/**
 * The way from one camera to another: a zoom of the picture with the target drifting to the middle, and out and in
 * again where the two do not see each other. As `runtime/paths.py`, relative to the pivot of the finer of the two,
 * so that it is as smooth after a thousand zooms as after one.
 */

import * as cameras from "./camera.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Quat} Quat */

const OCTAVES_PER_SECOND = 2.4;
const SHORTEST_S = 0.45;
const LONGEST_S = 5;
const FAR = 3; // views: a target further away than this is flown to by way of a view that shows both

/** Slow at both ends. @param {number} t in [0, 1] */
const eased = (t) => t * t * (3 - 2 * t);
/** @param {number} a @param {number} b @param {number} t */
const mixed = (a, b, t) => a + t * (b - a);

/** Between two rotations, the short way. @param {Quat} a @param {Quat} b @param {number} t @returns {Quat} */
export function slerp(a, b, t) {
  let cosine = a.reduce((sum, part, i) => sum + part * b[i], 0);
  const sign = cosine < 0 ? -1 : 1;
  cosine = Math.min(1, Math.abs(cosine));
  const angle = Math.acos(cosine);
  const [p, q] = angle < 1e-6 ? [1 - t, t] : [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  const [w, x, y, z] = a.map((part, i) => p * part + sign * q * b[i]);
  const length = Math.hypot(w, x, y, z);
  return [w / length, x / length, y / length, z / length];
}

/** A flight: its length in seconds, and the camera at a share of it. @param {Camera} start @param {Camera} end */
export function flight(start, end) {
  const inwards = cameras.lnScale(start) >= cameras.lnScale(end);
  const [coarse, fine] = inwards ? [start, end] : [end, start];
  const seen = cameras.project(coarse, fine.pivot);
  const views = Math.hypot(seen.u - coarse.cx, seen.v - coarse.cy) / Math.min(coarse.width, coarse.height);
  if (!seen.visible || !(views < FAR)) return detour(start, end, coarse, fine);
  const octaves = Math.abs(cameras.lnScale(start) - cameras.lnScale(end)) / Math.LN2;
  const seconds = Math.min(LONGEST_S, SHORTEST_S + (octaves + views) / OCTAVES_PER_SECOND);
  /** @param {number} share */
  const at = (share) => {
    if (share <= 0) return start;
    if (share >= 1) return end;
    return between(coarse, fine, inwards ? eased(share) : 1 - eased(share));
  };
  return { seconds, at };
}

/** The camera at a share of the way from the coarser to the finer one, which it sees.
 * @param {Camera} coarse @param {Camera} fine @param {number} share @returns {Camera} */
function between(coarse, fine, share) {
  // The coarser camera with its pivot at the depth of the target: the picture is the same, the numbers compare.
  const from = cameras.atDepth(coarse, cameras.project(coarse, fine.pivot).zeta);
  const { u, v } = cameras.project(from, fine.pivot);
  const scale = mixed(cameras.lnScale(from), cameras.lnScale(fine), share);
  const lnDistance = mixed(from.lnDistance, fine.lnDistance, share);
  const lnAspect = mixed(from.lnFx - from.lnFy, fine.lnFx - fine.lnFy, share);
  const centred = cameras.settled({
    ...fine, quat: slerp(from.quat, fine.quat, share), lnDistance,
    lnFx: lnDistance - scale + lnAspect / 2, lnFy: lnDistance - scale - lnAspect / 2,
    cx: mixed(from.cx, fine.cx, share), cy: mixed(from.cy, fine.cy, share),
  });
  const left = remaining(share, cameras.lnScale(from) - cameras.lnScale(fine));
  return cameras.pan(centred, left * (u - from.cx), left * (v - from.cy));
}

/**
 * Pixels to the target at a share of a zoom by exp(lnZoom), for one at its start: (F - m) / (F - 1) at magnification m
 * of F keeps one pixel fixed, and the square of the rest lets it come to the middle without a jerk.
 * @param {number} share @param {number} lnZoom
 */
function remaining(share, lnZoom) {
  if (lnZoom < 0.05) return 1 - share;
  const fixed = -Math.expm1((share - 1) * lnZoom) / -Math.expm1(-lnZoom);
  return fixed * (1 - share * share * share);
}

/** By way of a view from which the way is short. @param {Camera} start @param {Camera} end
 * @param {Camera} coarse @param {Camera} fine */
function detour(start, end, coarse, fine) {
  const away = cameras.difference(fine.pivot, coarse.pivot);
  const lnAway = Math.log(Math.max(Math.hypot(...away), 1e-300)) - coarse.pivot.level * Math.LN2;
  const lnWide = lnAway - cameras.lnScale(coarse) - Math.log(FAR * 0.4 * Math.min(coarse.width, coarse.height));
  const out = Math.max(0.7, lnWide);
  const turn = cameras.lnScale(start) - cameras.lnScale(end);
  const octaves = (2 * out + Math.abs(turn)) / Math.LN2;
  const seconds = Math.min(LONGEST_S, SHORTEST_S + octaves / OCTAVES_PER_SECOND);
  /** @param {number} share */
  const at = (share) => {
    if (share <= 0) return start;
    if (share >= 1) return end;
    const s = eased(share);
    // Scale goes out to the common height and back in; the pivot travels while the view is wide.
    const ln = mixed(cameras.lnScale(start), cameras.lnScale(end), s) + 4 * s * (1 - s) * (out + Math.abs(turn) / 2);
    const travelled = eased(Math.max(0, Math.min(1, (s - 0.2) / 0.6)));
    const [a, b, c] = cameras.difference(start.pivot, end.pivot);
    const left = 1 - travelled;
    const { level, index, offset } = end.pivot;
    const pivot = left === 0 ? end.pivot : cameras.carried({
      level, index, offset: [offset[0] + a * left, offset[1] + b * left, offset[2] + c * left],
    });
    const lnDistance = mixed(start.lnDistance, end.lnDistance, travelled);
    const lnAspect = mixed(start.lnFx - start.lnFy, end.lnFx - end.lnFy, s);
    return cameras.settled({
      ...end, pivot, quat: slerp(start.quat, end.quat, travelled), lnDistance,
      lnFx: lnDistance - ln + lnAspect / 2, lnFy: lnDistance - ln - lnAspect / 2,
      cx: mixed(start.cx, end.cx, s), cy: mixed(start.cy, end.cy, s),
    });
  };
  return { seconds, at };
}
