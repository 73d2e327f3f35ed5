/**
 * A world without a server: the messages that one would have sent, read from files beside the page (`wonderzoom export
 * --html`). Has the shape of a `Connection`, so that the page does not know the difference: it is let in as somebody who
 * looks, and surfels come as deltas, those that sharpen what is looked at first.
 */

import * as cameras from "./camera.js";
import { notice } from "./dom.js";
import { decode } from "./msgpack.js";
import { Tree } from "./tree.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./connection.js").Hooks} Hooks */
/** @typedef {[name: string, surfels: number]} Pack */
/** @typedef {{welcome: any, bookmarks: any, first: Pack[], more: Record<string, Pack[]>}} Index */

const AT_ONCE = 3; // packs on their way
const TRIES = 4;
const ELSEWHERE_LN = 4; // a node that is not in view counts as if it were so much further away

/** The file that a page without a server shows; empty where there is one. */
export const storedWorld = () => document.querySelector('meta[name="wonderzoom-world"]')?.getAttribute("content") ?? "";

/** How far what a node has is from what one looks at, as ln of a magnification. @param {import("./tree.js").Node} node
 * @param {Camera} camera @param {number} ln of the camera's magnification */
export function distance(node, camera, ln) {
  const { u, v, visible } = cameras.project(node.camera, camera.pivot);
  const inside = visible && u >= 0 && v >= 0 && u <= node.camera.width && v <= node.camera.height;
  return Math.abs(node.lnMagnification - ln) + (inside ? 0 : ELSEWHERE_LN);
}

export class Stored {
  /** @param {string} file @param {Hooks} hooks */
  constructor(file, hooks) {
    this.file = file;
    this.hooks = hooks;
    this.resume = "";
    this.over = false;
    this.tree = new Tree();
    /** @type {Index | null} */
    this.index = null;
    /** @type {Camera | null} */
    this.camera = null;
    this.seq = 0;
    this.deltas = 0;
    this.revision = 0;
    /** Packs that are not there yet. */
    this.lacking = 0;
  }

  start() {
    if (!this.index && !this.over) void this.open();
  }

  async open() {
    this.hooks.state({ kind: "connecting" });
    const index = /** @type {Index | null} */ (await this.read(this.file));
    if (this.over) return;
    if (!index) {
      this.over = true;
      this.hooks.state({ kind: "ended", code: 0, reason: "The files of this world are not where this page is. Serve the whole folder." });
      return;
    }
    this.index = index;
    this.revision = index.welcome.revision;
    this.tree.add(index.welcome.nodes ?? []);
    this.lacking = Object.values(index.more).reduce((sum, packs) => sum + packs.length, index.first.length);
    this.said();
    this.hooks.state({ kind: "open" });
    this.hooks.message(index.welcome);
    this.hooks.message(index.bookmarks);
    for (const pack of index.first) await this.take(pack); // together they are all that there is, coarsely
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.work(index.more)));
  }

  /** Takes what is needed most, until all is there. @param {Record<string, Pack[]>} more */
  async work(more) {
    for (;;) {
      const pack = this.next(more);
      if (!pack || this.over) return;
      await this.take(pack);
    }
  }

  /** The pack that does most for the present view; those of a node come in their order. @param {Record<string, Pack[]>} more
   * @returns {Pack | undefined} */
  next(more) {
    const { camera, tree } = this;
    const { root } = tree;
    const ln = camera && root ? cameras.lnMagnification(camera, root.camera) : 0;
    let nearest = "";
    let least = Infinity;
    for (const [id, packs] of Object.entries(more)) {
      const node = tree.nodes.get(id);
      if (!packs.length || !node) continue;
      const far = camera ? distance(node, camera, ln) : node.lnMagnification;
      if (far < least) [nearest, least] = [id, far];
    }
    return more[nearest]?.shift();
  }

  /** @param {Pack} pack */
  async take([name]) {
    const deltas = /** @type {any[] | null} */ (await this.read(name));
    if (this.over) return;
    if (!deltas) return notice("A part of this world could not be loaded.", "problem");
    for (const delta of deltas) this.tell(delta);
    this.lacking -= 1;
    this.said();
    return undefined;
  }

  /** @param {any} delta what there is, is all that one gets now */
  tell(delta) {
    this.deltas += 1;
    this.hooks.message({ ...delta, type: "surfels", delta: this.deltas, camera_seq: this.seq, complete: true });
  }

  /** For tests, and whoever automates the page. */
  said() {
    document.body.dataset.lacking = String(this.lacking);
  }

  /** @param {string} name @returns {Promise<unknown>} null where it can't be had */
  async read(name) {
    for (let tried = 0; tried < TRIES && !this.over; tried++) {
      try {
        const answer = await fetch(name);
        if (answer.ok) return decode(new Uint8Array(await answer.arrayBuffer()));
      } catch { /* the line is broken, or what came is: once more */ }
      await new Promise((go) => setTimeout(go, 300 * 2 ** tried));
    }
    return null;
  }

  /** Nobody hears; where one looks is what counts. @param {any} message */
  send(message) {
    if (message.type !== "camera" || !this.index) return true;
    this.seq = message.seq;
    this.camera = cameras.fromWire(message.cameras[0]);
    if (this.deltas) this.tell({ revision: this.revision });
    return true;
  }

  /** @param {boolean} _forGood */
  leave(_forGood) {
    this.over = true;
  }
}
