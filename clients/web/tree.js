/** The scale nodes of the world, and in which of them one is. */

import * as cameras from "./camera.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{id: string, camera: Camera, lnMagnification: number, parent: string | null, prompt: string, by: string}} Node */

const INSIDE_LN = Math.log(2.5); // a node is where one is from this much before its own view on

export class Tree {
  constructor() {
    /** @type {Map<string, Node>} */
    this.nodes = new Map();
  }

  /** @param {any[]} summaries as the server says them */
  add(summaries) {
    for (const { id, camera, ln_magnification, parent, prompt, by } of summaries) {
      this.nodes.set(id, {
        id, camera: cameras.fromWire(camera), lnMagnification: ln_magnification, parent: parent ?? null,
        prompt: prompt ?? "", by: by ?? "",
      });
    }
  }

  /** @param {string[]} ids */
  remove(ids) {
    for (const id of ids) this.nodes.delete(id);
  }

  get root() {
    return [...this.nodes.values()].find((node) => node.parent === null) ?? null;
  }

  /** From the first picture to a node. @param {string} id @returns {Node[]} */
  path(id) {
    const path = [];
    for (let node = this.nodes.get(id); node; node = node.parent ? this.nodes.get(node.parent) : undefined) {
      path.unshift(node);
      if (path.length > this.nodes.size) break;
    }
    return path;
  }

  /** How many were built on a node. @param {string} id @returns {number} */
  above(id) {
    const below = [...this.nodes.values()].filter((node) => node.parent === id);
    return below.reduce((/** @type {number} */ sum, node) => sum + 1 + this.above(node.id), 0);
  }

  /** The finest node that the middle of a view lies in. @param {Camera} camera */
  at(camera) {
    const { root } = this;
    if (!root) return null;
    const magnification = cameras.lnMagnification(camera, root.camera);
    let found = root;
    for (const node of this.nodes.values()) {
      if (node.lnMagnification > magnification + INSIDE_LN || node.lnMagnification < found.lnMagnification) continue;
      const { u, v, visible } = cameras.project(node.camera, camera.pivot);
      if (visible && u >= 0 && v >= 0 && u <= node.camera.width && v <= node.camera.height) found = node;
    }
    return found;
  }
}

/** What a node is called. @param {Node} node */
export const title = (node) => node.prompt || (node.parent === null ? "the picture" : "finer");

/** exp(ln) as a magnification. @param {number} ln */
export function times(ln) {
  const power = ln / Math.LN10;
  if (power >= 6) {
    const exponent = Math.floor(power);
    const digits = (10 ** (power - exponent)).toFixed(1);
    return `${digits} × 10${superscript(exponent)}×`;
  }
  const value = Math.exp(ln);
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")}×`;
}

/** @param {number} value */
export const superscript = (value) => [...String(value)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)] ?? "⁻").join("");
