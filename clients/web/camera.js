/**
 * Cameras of PROTOCOL.md, section 4: about a pivot whose cell has indices of any size, so that every motion is as
 * exact after a thousand zooms as before the first. Values in, values out; nothing here changes its arguments.
 */

/** @typedef {[number, number, number]} Vec3 */
/** @typedef {[number, number, number, number]} Quat w x y z */
/** @typedef {{level: number, index: [bigint, bigint, bigint]}} Cell of the octree: its edge is 2^-level root edges */
/** @typedef {Cell & {offset: Vec3}} Place offset in edges of the cell, from its low corner */
/**
 * @typedef {object} Camera
 * @property {Place} pivot
 * @property {Quat} quat world to camera; x right, y down, z forward
 * @property {number} lnDistance ln of the pivot's depth, root edges
 * @property {number} lnFx ln of the focal length, pixels
 * @property {number} lnFy
 * @property {number} cx pixels
 * @property {number} cy pixels
 * @property {number} width pixels
 * @property {number} height pixels
 */

const LN2 = Math.LN2;
const MAX_LEVEL = 2000; // of the protocol
const NEAR = 2 ** -7; // depth, in D, below which a point is behind the eye
/** exp() saturates beyond, as a float does. @param {number} x */
const boundedExp = (x) => Math.exp(Math.max(-690, Math.min(690, x)));

// ---- the wire -------------------------------------------------------------------------------------------------
/** The integer of a two's complement, big-endian number. @param {Uint8Array} bytes */
export function indexOf(bytes) {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(8 * bytes.length, value);
}

/** An integer in as few bytes as hold it. @param {bigint} value */
export function indexBytes(value) {
  let size = 1;
  while (BigInt.asIntN(8 * size, value) !== value) size++;
  const bytes = new Uint8Array(size);
  for (let i = size - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

/** @param {any} wire a `CellAddress` as a peer wrote it @returns {Cell} */
export function cellFromWire({ level, x, y, z }) {
  return { level, index: [indexOf(x), indexOf(y), indexOf(z)] };
}

/** @param {any} wire a `Place` as a peer wrote it @returns {Place} */
export function placeFromWire(wire) {
  const [a, b, c] = wire.offset;
  return { ...cellFromWire(wire.cell), offset: [a, b, c] };
}

/** @param {any} wire a `CameraPose` as a peer wrote it @returns {Camera} */
export function fromWire(wire) {
  const { pivot, quat, ln_distance, ln_fx, ln_fy, cx, cy, width, height } = wire;
  const [w, x, y, z] = quat;
  return {
    pivot: placeFromWire(pivot), quat: [w, x, y, z], lnDistance: ln_distance, lnFx: ln_fx, lnFy: ln_fy, cx, cy, width, height,
  };
}

/** @param {Camera} camera */
export function toWire(camera) {
  const [x, y, z] = camera.pivot.index.map(indexBytes);
  return {
    pivot: { cell: { level: camera.pivot.level, x, y, z }, offset: [...camera.pivot.offset] },
    quat: [...camera.quat], ln_distance: camera.lnDistance, ln_fx: camera.lnFx, ln_fy: camera.lnFy,
    cx: camera.cx, cy: camera.cy, width: camera.width, height: camera.height,
  };
}

// ---- places ---------------------------------------------------------------------------------------------------
/** A difference of indices as a float: its leading 64 bits, so that no index is too long. @param {bigint} value */
function toFloat(value) {
  const magnitude = value < 0n ? -value : value;
  const excess = Math.max(0, magnitude.toString(16).length * 4 - 64);
  const float = Number(magnitude >> BigInt(excess)) * 2 ** Math.min(excess, 1100);
  return value < 0n ? -float : float;
}

/** The place with an offset in [0, 1), whole edges carried into the indices. @param {Place} place @returns {Place} */
export function carried(place) {
  const index = /** @type {[bigint, bigint, bigint]} */ ([...place.index]);
  const offset = /** @type {Vec3} */ ([...place.offset]);
  for (let i = 0; i < 3; i++) {
    const whole = Math.floor(offset[i]);
    index[i] += BigInt(whole);
    offset[i] = Math.min(offset[i] - whole, 1 - 2 ** -53); // -1e-20 + 1 rounds to 1
  }
  return { level: place.level, index, offset };
}

/** The place in a cell of another level. @param {Place} place @param {number} level @returns {Place} */
export function rebased(place, level) {
  const n = level - place.level;
  if (n === 0) return place;
  const from = carried(place);
  const index = /** @type {[bigint, bigint, bigint]} */ ([...from.index]);
  const offset = /** @type {Vec3} */ ([...from.offset]);
  for (let i = 0; i < 3; i++) {
    if (n > 0) {
      // 53 bits at a time: an offset times 2^n need not be a float.
      for (let left = n; left > 0; ) {
        const step = Math.min(left, 52);
        const scaled = offset[i] * 2 ** step;
        index[i] = (index[i] << BigInt(step)) + BigInt(Math.floor(scaled));
        offset[i] = scaled - Math.floor(scaled);
        left -= step;
      }
    } else {
      const low = BigInt.asUintN(-n, index[i]);
      index[i] >>= BigInt(-n);
      const keep = Math.max(0, -n - 1000); // bits of the index that no float of this size can show
      offset[i] = Math.min((toFloat(low >> BigInt(keep)) + (keep ? 0 : offset[i])) * 2 ** (n + keep), 1 - 2 ** -53);
    }
  }
  return { level, index, offset };
}

/** a - b in edges of a cell of b's level. @param {Place} a @param {Place} b @returns {Vec3} */
export function difference(a, b) {
  const finer = Math.max(a.level, b.level);
  const scaleA = boundedExp((b.level - a.level) * LN2);
  const shiftA = BigInt(finer - a.level);
  const shiftB = BigInt(finer - b.level);
  const edges = (/** @type {0 | 1 | 2} */ i) => {
    const whole = (a.index[i] << shiftA) - (b.index[i] << shiftB);
    const keep = Math.min(finer - b.level, 1000);
    return toFloat(whole) * 2 ** -keep * 2 ** -(finer - b.level - keep) + a.offset[i] * scaleA - b.offset[i];
  };
  return [edges(0), edges(1), edges(2)];
}

// ---- rotations ------------------------------------------------------------------------------------------------
/** The rotation a after b. @param {Quat} a @param {Quat} b @returns {Quat} of length one */
export function multiply([aw, ax, ay, az], [bw, bx, by, bz]) {
  const w = aw * bw - ax * bx - ay * by - az * bz;
  const x = aw * bx + ax * bw + ay * bz - az * by;
  const y = aw * by - ax * bz + ay * bw + az * bx;
  const z = aw * bz + ax * by - ay * bx + az * bw;
  const length = Math.hypot(w, x, y, z);
  return [w / length, x / length, y / length, z / length];
}

/** @param {Quat} q @param {Vec3} v @returns {Vec3} */
export function rotate([w, x, y, z], [a, b, c]) {
  const [s, t, u] = [2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)];
  return [a + w * s + y * u - z * t, b + w * t + z * s - x * u, c + w * u + x * t - y * s];
}

/** The way back. @param {Quat} q @returns {Quat} */
export const conjugate = ([w, x, y, z]) => [w, -x, -y, -z];

// ---- what a camera sees ---------------------------------------------------------------------------------------
/** ln f. @param {Camera} camera */
export const lnF = (camera) => 0.5 * (camera.lnFx + camera.lnFy);
/** ln of root edges per pixel at the pivot. @param {Camera} camera */
export const lnScale = (camera) => camera.lnDistance - lnF(camera);
/** ln of how much larger than from `origin` what is at the pivot is, for pictures of one size.
 * @param {Camera} camera @param {Camera} origin */
export function lnMagnification(camera, origin) {
  const { w, visible } = project(origin, camera.pivot);
  const sides = Math.min(origin.width, origin.height) / Math.min(camera.width, camera.height);
  return lnScale(origin) + (visible ? Math.log(w) : 0) - lnScale(camera) + Math.log(sides);
}

/** View coordinates of a place, pixels at the pivot. @param {Camera} camera @param {Place} place */
export function viewPoint(camera, place) {
  const pixels = boundedExp(-camera.pivot.level * LN2 - lnScale(camera));
  const [a, b, c] = difference(place, camera.pivot);
  return rotate(camera.quat, [a * pixels, b * pixels, c * pixels]);
}

/** View coordinates of another camera as those of this one: a matrix, row by row, and what is added to that.
 * @param {Camera} camera @param {Camera} from @returns {{matrix: number[], origin: Vec3}} */
export function mapFrom(camera, from) {
  const ratio = boundedExp(lnScale(from) - lnScale(camera));
  const back = conjugate(from.quat);
  const columns = /** @type {Vec3[]} */ ([[ratio, 0, 0], [0, ratio, 0], [0, 0, ratio]])
    .map((axis) => rotate(camera.quat, rotate(back, axis)));
  const matrix = [0, 1, 2].flatMap((row) => columns.map((column) => column[row]));
  return { matrix, origin: viewPoint(camera, from.pivot) };
}

/**
 * Where a place is: pixels u and v, depth w in D (below 2^-7 it is behind), zeta in pixels at the pivot.
 * @param {Camera} camera @param {Place} place
 */
export function project(camera, place) {
  const [x, y, zeta] = viewPoint(camera, place);
  const f = lnF(camera);
  const w = 1 + zeta * boundedExp(-f);
  return {
    u: (Math.exp(camera.lnFx - f) * x) / w + camera.cx,
    v: (Math.exp(camera.lnFy - f) * y) / w + camera.cy,
    w, zeta, visible: w > NEAR,
  };
}

/** The place at pixel (u, v) in the plane of the pivot. @param {Camera} camera @param {number} u @param {number} v
 * @returns {Place} */
export function placeAt(camera, u, v) {
  const f = lnF(camera);
  return movedPivot(camera, [(u - camera.cx) / Math.exp(camera.lnFx - f), (v - camera.cy) / Math.exp(camera.lnFy - f), 0]);
}

/** Where the eye is; null where no float holds its distance in pixels. @param {Camera} camera */
export function eyeOf(camera) {
  const f = lnF(camera);
  return f < 690 ? movedPivot(camera, [0, 0, -Math.exp(f)]) : null;
}

// ---- motions --------------------------------------------------------------------------------------------------
/** The same view with a pivot in a cell about 64 pixels wide. @param {Camera} camera @returns {Camera} */
export function settled(camera) {
  const wanted = Math.round((-lnScale(camera) - Math.log(64)) / LN2);
  const level = Math.max(-MAX_LEVEL, Math.min(MAX_LEVEL, wanted));
  return level === camera.pivot.level ? camera : { ...camera, pivot: rebased(camera.pivot, level) };
}

/** Larger by k about the pivot. @param {Camera} camera @param {number} k @returns {Camera} */
export function zoom(camera, k) {
  return settled({ ...camera, lnFx: camera.lnFx + Math.log(k), lnFy: camera.lnFy + Math.log(k) });
}

/** Turned about the pivot, radians. @param {Camera} camera @param {number} yaw @param {number} pitch @returns {Camera} */
export function orbit(camera, yaw, pitch) {
  const turn = multiply([Math.cos(pitch / 2), Math.sin(pitch / 2), 0, 0], [Math.cos(yaw / 2), 0, Math.sin(yaw / 2), 0]);
  return { ...camera, quat: multiply(turn, camera.quat) };
}

/** The pivot moved by view coordinates, pixels. @param {Camera} camera @param {Vec3} pixels @returns {Place} */
export function movedPivot(camera, pixels) {
  const { pivot } = settled(camera);
  const edges = boundedExp(lnScale(camera) + pivot.level * LN2);
  const [a, b, c] = rotate(conjugate(camera.quat), pixels);
  const { level, index, offset } = pivot;
  return carried({ level, index, offset: [offset[0] + a * edges, offset[1] + b * edges, offset[2] + c * edges] });
}

/** The picture moved by pixels of the focal plane. @param {Camera} camera @param {number} dx @param {number} dy
 * @returns {Camera} */
export function pan(camera, dx, dy) {
  const f = lnF(camera);
  return { ...camera, pivot: movedPivot(camera, [-dx / Math.exp(camera.lnFx - f), -dy / Math.exp(camera.lnFy - f), 0]) };
}

/**
 * The picture moved by pixels from the same eye, which only turns: nothing that was hidden comes to light. The horizon
 * keeps its slant.
 * @param {Camera} camera @param {number} dx @param {number} dy @returns {Camera}
 */
export function turn(camera, dx, dy) {
  const [u, v] = [camera.cx - dx, camera.cy - dy];
  const turned = lookAt(camera, placeAt(camera, u, v), u, v, 0);
  const change = slant(turned) - slant(camera);
  if (!Number.isFinite(change)) return turned;
  return { ...turned, quat: multiply([Math.cos(change / 2), 0, 0, Math.sin(change / 2)], turned.quat) };
}

/** How much the world's y axis leans in the picture, radians; NaN where one looks along it. @param {Camera} camera */
function slant(camera) {
  const [x, y] = rotate(camera.quat, [0, 1, 0]);
  return Math.hypot(x, y) > 0.1 ? Math.atan2(x, y) : NaN;
}

/** Larger by k from the same eye, with what is at pixel (u, v) staying there.
 * @param {Camera} camera @param {number} k @param {number} u @param {number} v @returns {Camera} */
export function zoomAt(camera, k, u, v) {
  const place = placeAt(camera, u, v);
  let moved = zoom(turn(camera, (1 / k - 1) * (u - camera.cx), (1 / k - 1) * (v - camera.cy)), k);
  for (let i = 0; i < 3; i++) { // the picture of a wide lens does not move as a whole
    const now = project(moved, place);
    if (now.visible) moved = turn(moved, u - now.u, v - now.v);
  }
  return moved;
}

/** The same picture with the pivot on the axis at the depth of a picked point; unchanged if that is behind.
 * @param {Camera} camera @param {number} zeta of `picked`, pixels @returns {Camera} */
export function atDepth(camera, zeta) {
  const w = 1 + zeta * boundedExp(-lnF(camera));
  if (!(w > NEAR)) return camera;
  return settled({ ...camera, pivot: movedPivot(camera, [0, 0, zeta]), lnDistance: camera.lnDistance + Math.log(w) });
}

/** Turned, from the same eye, to a picked place at pixel (u, v); it keeps its scale. Unchanged if it is behind.
 * @param {Camera} camera @param {Place} place @param {number} u @param {number} v @param {number} zeta
 * @returns {Camera} */
export function lookAt(camera, place, u, v, zeta) {
  const w = 1 + zeta * boundedExp(-lnF(camera));
  if (!(w > NEAR)) return camera;
  const a = (u - camera.cx) * boundedExp(-camera.lnFx);
  const b = (v - camera.cy) * boundedExp(-camera.lnFy);
  const length = Math.hypot(1, a, b);
  const turn = multiply([1 + 1 / length, b / length, -a / length, 0], [1, 0, 0, 0]);
  const lnLength = Math.log(length);
  return settled({
    ...camera, pivot: place, quat: multiply(turn, camera.quat), lnDistance: camera.lnDistance + Math.log(w) + lnLength,
    lnFx: camera.lnFx + lnLength, lnFy: camera.lnFy + lnLength,
  });
}

/** The same view in a viewport of another size; the short side keeps its field of view.
 * @param {Camera} camera @param {number} width @param {number} height @returns {Camera} */
export function resized(camera, width, height) {
  const ratio = Math.min(width, height) / Math.min(camera.width, camera.height);
  return settled({
    ...camera, lnFx: camera.lnFx + Math.log(ratio), lnFy: camera.lnFy + Math.log(ratio),
    cx: width / 2 + (camera.cx - camera.width / 2) * ratio, cy: height / 2 + (camera.cy - camera.height / 2) * ratio,
    width, height,
  });
}

/** The same view in a viewport of another size, which its picture covers: what has another shape is cut off.
 * @param {Camera} camera @param {number} width @param {number} height @returns {Camera} */
export function covering(camera, width, height) {
  const ratio = Math.max(width / camera.width, height / camera.height);
  return settled({
    ...camera, lnFx: camera.lnFx + Math.log(ratio), lnFy: camera.lnFy + Math.log(ratio), cx: width / 2, cy: height / 2,
    width, height,
  });
}
