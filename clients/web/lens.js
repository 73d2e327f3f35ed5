/**
 * Where a camera sees the cells of the octree, at any depth of the world: exact differences of cells as integers, then
 * float64 in pixels of the pivot. What is drawn from these numbers needs no more than float32 inside a block.
 */

import * as cameras from "./camera.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Vec3} Vec3 */
/** @typedef {import("./camera.js").Cell} Cell */
/**
 * @typedef {object} Lens what of a camera all blocks share
 * @property {number[]} rotation world to camera, nine numbers, row by row
 * @property {number} inverseF 1 / f, 1 / pixels
 * @property {number} ax fx / f
 * @property {number} ay
 * @property {number} cx pixels
 * @property {number} cy
 * @property {number} width
 * @property {number} height
 * @property {number} pixelOctaves from r - x to the octaves that `mipShare` takes
 * @property {boolean} radial scales grow with the distance along the ray, not along the axis
 */
/**
 * @typedef {object} Frame of one cell: P = edge rotation local + origin
 * @property {Vec3} origin its centre, pixels at the pivot
 * @property {number} edge pixels
 * @property {number} scale r at the pivot, relative to ln edge
 */
/** @typedef {{hRef: number, radial: boolean}} Scene of the world's header */

const LN2 = Math.LN2;
const FAR = 1e300; // pixels: where float64 ends
/** @param {number} x */
const boundedExp = (x) => Math.exp(Math.max(-690, Math.min(690, x)));
/** @param {number} x */
const bounded = (x) => Math.max(-FAR, Math.min(FAR, x));

/** @param {Camera} camera @param {Scene} scene @returns {Lens} */
export function lensOf(camera, scene) {
  const f = cameras.lnF(camera);
  const columns = /** @type {Vec3[]} */ ([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).map((axis) => cameras.rotate(camera.quat, axis));
  return {
    rotation: [0, 1, 2].flatMap((row) => columns.map((column) => column[row])),
    inverseF: f < 690 ? Math.exp(-f) : 0,
    ax: Math.exp(camera.lnFx - f), ay: Math.exp(camera.lnFy - f), cx: camera.cx, cy: camera.cy,
    width: camera.width, height: camera.height,
    pixelOctaves: -Math.log2(Math.min(camera.width, camera.height) / scene.hRef),
    radial: scene.radial,
  };
}

/** Where cells are from a pivot's cell: remembered as long as the pivot stays in it. */
export class Centres {
  constructor() {
    this.cell = "";
    /** @type {Map<object, Vec3>} */
    this.known = new Map();
  }

  /** From the low corner of the pivot's cell to the centre of a cell, in edges of the pivot's.
   * @param {Cell} cell @param {import("./camera.js").Place} pivot @returns {Vec3} */
  of(cell, pivot) {
    const key = `${pivot.level}/${pivot.index}`;
    if (key !== this.cell) {
      this.cell = key;
      this.known.clear();
    }
    let found = this.known.get(cell);
    if (!found) {
      found = cameras.difference({ ...cell, offset: [0.5, 0.5, 0.5] }, { ...pivot, offset: [0, 0, 0] });
      this.known.set(cell, found);
    }
    return found;
  }
}

/** Frames of many cells. @param {Iterable<Cell>} cells @param {Camera} camera @param {Scene} scene @param {Centres} centres
 * @returns {Frame[]} */
export function framesOf(cells, camera, scene, centres) {
  const { pivot } = camera;
  const pixels = boundedExp(-pivot.level * LN2 - cameras.lnScale(camera));
  const render = cameras.lnScale(camera) + Math.log(Math.min(camera.width, camera.height) / scene.hRef);
  const frames = [];
  for (const cell of cells) {
    const [x, y, z] = centres.of(cell, pivot);
    const [a, b, c] = cameras.rotate(camera.quat, [x - pivot.offset[0], y - pivot.offset[1], z - pivot.offset[2]]);
    const finer = Math.max(-1000, Math.min(1000, pivot.level - cell.level));
    /** @type {Vec3} */
    const origin = [bounded(a * pixels), bounded(b * pixels), bounded(c * pixels)];
    frames.push({ origin, edge: Math.min(pixels * 2 ** finer, FAR), scale: render + cell.level * LN2 });
  }
  return frames;
}
