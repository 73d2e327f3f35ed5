/** Where one is in the tree of zooms: the path, the ladder, the ways up and home; and taking a zoom away, or back. */

import * as cameras from "./camera.js";
import { button, element, make, notice } from "./dom.js";
import { newRequest } from "./jobs.js";
import { Ladder } from "./ladder.js";
import { Tree, title } from "./tree.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./tree.js").Node} Node */
/**
 * @typedef {object} World
 * @property {(message: object) => boolean} send
 * @property {(camera: Camera) => void} fly
 * @property {() => string} role
 * @property {() => boolean} busy something else has one's attention
 */

const BLURRED_LN = Math.log(3.2); // closer than this to what is there, one is told how to get more
const CLOSEST_LN = Math.log(64); // closer than this nothing is to be seen any more
const WIDEST_LN = Math.log(4);
const SHOWN_EVERY_MS = 120;
const BIN = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5"/></svg>';

export class Whereabouts {
  /** @param {World} world */
  constructor(world) {
    this.world = world;
    this.tree = new Tree();
    this.ladder = new Ladder(this.tree, (node) => world.fly(node.camera));
    /** @type {number | null} of a root edge */
    this.lnMetres = null;
    /** @type {Node | null} */
    this.here = null;
    this.shownAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.later = undefined;
    /** @type {Map<string, string>} nodes that this page asked to be removed, and what they are called */
    this.removing = new Map();
    /** @type {string[]} those that are gone, the last last */
    this.gone = [];
    /** @type {Set<string>} those that it asked to have back */
    this.restoring = new Set();
  }

  forget() {
    this.tree.nodes.clear();
    this.here = null;
    this.removing.clear();
    this.restoring.clear();
    this.gone = [];
  }

  /** @param {any[]} nodes of a `welcome` @param {number | null} lnMetres */
  begin(nodes, lnMetres) {
    this.lnMetres = lnMetres;
    this.tree.nodes.clear();
    this.tree.add(nodes);
    this.shownAt = 0;
  }

  /** @param {any} message a `commit` */
  commit(message) {
    const removed = (message.removed ?? []).filter((/** @type {string} */ id) => this.removing.has(id));
    this.tree.remove(message.removed ?? []);
    this.tree.add(message.added ?? []);
    for (const id of removed) this.isGone(id);
    for (const { id } of message.added ?? []) this.isBack(id);
    if (this.here && !this.tree.nodes.has(this.here.id)) this.here = null;
    this.shownAt = 0;
  }

  // ---- where one is ---------------------------------------------------------------------------------------------
  /** Says so, now or soon. @param {Camera} camera of now */
  show(camera) {
    clearTimeout(this.later);
    const wait = this.shownAt + SHOWN_EVERY_MS - performance.now();
    if (wait > 0) {
      this.later = setTimeout(() => this.show(camera), wait);
      return;
    }
    this.shownAt = performance.now();
    const here = this.tree.at(camera);
    if (!here) return;
    const { root } = this.tree;
    if (here !== this.here) {
      this.here = here;
      this.showPath(here);
    }
    this.ladder.show(camera, here, this.lnMetres);
    const ln = root ? cameras.lnMagnification(camera, root.camera) : 0;
    const blurred = ln - here.lnMagnification > BLURRED_LN && this.world.role() !== "viewer";
    element("hint", HTMLElement).hidden = !blurred || this.world.busy();
  }

  /** @param {Node} here */
  showPath(here) {
    const parts = this.tree.path(here.id).flatMap((node, i) => {
      const fly = () => this.world.fly(node.camera);
      const name = button(node === here ? "here" : "", title(node), `Fly to ${title(node)}`, fly);
      return i ? [make("span", "step", "›"), name] : [name];
    });
    const holder = element("path", HTMLElement);
    holder.replaceChildren(...parts);
    if (here.parent !== null && this.world.role() !== "viewer") {
      const bin = button("bin", "", `Remove ${title(here)}`, () => this.remove());
      bin.innerHTML = BIN;
      holder.append(bin);
    }
    holder.scrollLeft = holder.scrollWidth;
  }

  up() {
    const parent = this.here?.parent ? this.tree.nodes.get(this.here.parent) : null;
    if (parent) this.world.fly(parent.camera);
    else this.home();
  }

  home() {
    const { root } = this.tree;
    if (root) this.world.fly(root.camera);
  }

  /** No further out or in than where there is something to be seen. @param {Camera} camera */
  bounded(camera) {
    const { root } = this.tree;
    if (!root) return camera;
    const ln = cameras.lnMagnification(camera, root.camera);
    const closest = Math.max(this.here?.lnMagnification ?? 0, 0) + CLOSEST_LN;
    const wanted = Math.max(-WIDEST_LN, Math.min(closest, ln));
    return wanted === ln ? camera : cameras.zoom(camera, Math.exp(wanted - ln));
  }

  // ---- away and back --------------------------------------------------------------------------------------------
  remove() {
    const { here } = this;
    if (!here || here.parent === null || this.world.role() === "viewer") return;
    const above = this.tree.above(here.id);
    const built = above ? ` and ${above === 1 ? "the zoom" : `the ${above} zooms`} that ${above === 1 ? "was" : "were"} built on it` : "";
    element("removing-what", HTMLElement).textContent = `“${title(here)}”${built} will be gone, for everyone here.`;
    const dialog = element("removing", HTMLDialogElement);
    dialog.returnValue = "";
    dialog.onclose = () => {
      if (dialog.returnValue !== "remove") return;
      if (this.world.send({ type: "remove_node", request: newRequest(), node: here.id })) {
        this.removing.set(here.id, title(here));
        this.up();
      } else notice("There is no connection.", "problem");
    };
    dialog.showModal();
  }

  /** What this page asked to be removed is gone. @param {string} id */
  isGone(id) {
    const name = this.removing.get(id) ?? "";
    this.removing.delete(id);
    this.gone.push(id);
    notice(`“${name}” is gone.`, "note", { label: "Bring it back", act: () => this.restore(id) });
  }

  /** @param {string} id */
  isBack(id) {
    this.gone = this.gone.filter((each) => each !== id);
    const node = this.tree.nodes.get(id);
    if (this.restoring.delete(id) && node) this.world.fly(node.camera);
  }

  /** Bring back what this page had removed. @param {string | undefined} id */
  restore(id = this.gone.at(-1)) {
    if (id === undefined || this.world.role() === "viewer") return;
    this.restoring.add(id);
    const sent = this.world.send({ type: "restore_node", request: newRequest(), node: id });
    if (!sent) notice("There is no connection.", "problem");
  }
}
