/**
 * The blocks that the page holds, and what it shows of them. A block comes as levels of its pyramid, which share its
 * weight and its residency; residencies and shares move to where the server wants them over FADE_S, so that nothing
 * pops and, as R_child never rises before what takes over is there, nothing is ever missing.
 *
 * Pure state: knows neither the network, nor the graphics card, nor the time.
 */

import { PAGE } from "./culling.js";

/** @typedef {import("./camera.js").Cell} Cell */
/** @typedef {import("./surfelformat.js").Payload} Payload */
/**
 * @typedef {object} Held one level of the pyramid of a block
 * @property {string} hash
 * @property {number} row in the table of blocks; also its number in the sorter
 * @property {number[]} pages
 * @property {Group} group
 * @property {number} level
 * @property {number} count surfels
 * @property {number} revision of its bounds
 * @property {Payload | null} payload null until it is read
 * @property {number} pending answers of the sorter that are on their way
 * @property {Uint8Array} bounds two a surfel
 */
/**
 * @typedef {object} Group the levels of one block
 * @property {string} block its hash
 * @property {string} node
 * @property {Cell} cell
 * @property {Map<number, Held>} levels
 * @property {number} residency R
 * @property {number} below R_child
 * @property {[number, number]} wanted of R and R_child
 * @property {[number, number]} span finest and coarsest of the levels that share its weight; in between while it moves
 * @property {[number, number]} asked the same, as the server wants it
 */
/** @typedef {{block: string, residency: number, below: number, finest: number, coarsest: number}} Showing */
/** @typedef {{hash: string, block: string, node: string, cell: Cell, level: number, count: number, revision: number}} Coming */
/** @typedef {{held: Held, residency: number, below: number, level: number, finest: number, coarsest: number}} Drawn */

export const FADE_S = 0.15;

export class BlockStore {
  constructor() {
    /** @type {Map<string, Held>} */
    this.held = new Map();
    /** @type {Map<string, Group>} by the hash of the block */
    this.groups = new Map();
    /** @type {(Held | null)[]} by row */
    this.rows = [];
    /** Which row each page belongs to. */
    this.pageRows = new Uint32Array(512);
    /** @type {number[]} */
    this.freePages = [];
    this.pages = 0;
    /** The newest order that was asked for. */
    this.look = 0;
    /** @type {{pages: number[], row: number, look: number}[]} what no order after that one names */
    this.leaving = [];
    /** @type {Set<string>} hashes that are dropped as soon as they are not seen any more */
    this.going = new Set();
    this.surfels = 0;
    this.reading = 0;
    /** @type {Group[] | null} in the order of (node, cell) */
    this.sorted = null;
  }

  /** A block that comes; null if it is held already. @param {Coming} coming @returns {Held | null} */
  add({ hash, block, node, cell, level, count, revision }) {
    this.going.delete(hash);
    if (this.held.has(hash)) return null;
    let group = this.groups.get(block);
    if (!group) {
      group = { block, node, cell, levels: new Map(), residency: 0, below: 0, wanted: [0, 0], span: [level, level], asked: [level, level] };
      this.groups.set(block, group);
      this.sorted = null;
    }
    const pages = Array.from({ length: Math.ceil(count / PAGE) }, () => this.freePages.pop() ?? this.pages++);
    let row = this.rows.indexOf(null);
    if (row < 0) row = this.rows.push(null) - 1;
    if (this.pages > this.pageRows.length) {
      const grown = new Uint32Array(Math.max(this.pages, 2 * this.pageRows.length));
      grown.set(this.pageRows);
      this.pageRows = grown;
    }
    for (const page of pages) this.pageRows[page] = row;
    /** @type {Held} */
    const held = { hash, row, pages, group, level, count, revision, payload: null, pending: 0, bounds: new Uint8Array(0) };
    this.rows[row] = held;
    this.held.set(hash, held);
    group.levels.set(level, held);
    this.surfels += count;
    this.asks(held);
    return held;
  }

  /** The sorter was asked for something of a block. @param {Held} held */
  asks(held) {
    held.pending += 1;
    this.reading += 1;
  }

  /** What the sorter made of a block's bytes. @param {Held} held @param {Payload | null} payload @param {Uint8Array} bounds */
  read(held, payload, bounds) {
    held.pending -= 1;
    this.reading -= 1;
    held.payload = payload;
    held.bounds = bounds;
  }

  /** The whole of what the server wants to be seen: what it does not name fades away. @param {Showing[]} list */
  show(list) {
    for (const group of this.groups.values()) group.wanted = [0, 0];
    this.change(list);
  }

  /** The same of some blocks; the others stay. @param {Showing[]} list */
  change(list) {
    for (const { block, residency, below, finest, coarsest } of list) {
      const group = this.groups.get(block);
      if (!group) continue;
      group.wanted = [residency, below];
      group.asked = [finest, coarsest];
    }
  }

  /** No longer to be held. @param {string[]} hashes */
  drop(hashes) {
    for (const hash of hashes) if (this.held.has(hash)) this.going.add(hash);
  }

  /** So much later. Whether it looks different from before. @param {number} seconds */
  step(seconds) {
    const most = seconds / FADE_S;
    let moved = false;
    for (const group of this.groups.values()) {
      const run = this.run(group);
      const [r, c] = group.wanted;
      const residency = towards(group.residency, run ? r : 0, most);
      // What takes over fades in from when it is read: nothing is handed over before.
      const below = c < group.below ? c : Math.min(towards(group.below, c, this.reading ? 0 : most), residency);
      if (residency !== group.residency || below !== group.below) moved = true;
      group.residency = residency;
      group.below = below;
      if (!run) continue;
      const [from, to] = group.span;
      const [finest, coarsest] = run;
      const fresh = residency <= most || !this.has(group, from, to);
      group.span = fresh ? run : [towards(from, finest, most * Math.abs(finest - from)), towards(to, coarsest, most * Math.abs(coarsest - to))];
      if (Math.abs(group.span[0] - finest) + Math.abs(group.span[1] - coarsest) < 0.02) group.span = run;
      if (group.span[0] !== from || group.span[1] !== to) moved = true;
    }
    return moved;
  }

  /** Levels that can share the weight: those that were read, without a gap, as near to what is asked for as there are.
   * @param {Group} group @returns {[number, number] | null} */
  run(group) {
    const ready = [...group.levels.values()].filter(({ payload }) => payload).map(({ level }) => level).sort((a, b) => a - b);
    if (!ready.length) return null;
    const [finest, coarsest] = group.asked;
    const first = ready.find((level) => level >= finest) ?? ready[ready.length - 1];
    let last = first;
    while (last < coarsest && ready.includes(last + 1)) last += 1;
    return [first, last];
  }

  /** Whether all levels of a span are there. @param {Group} group @param {number} from @param {number} to */
  has(group, from, to) {
    for (let level = Math.floor(from); level <= Math.ceil(to); level++) if (!group.levels.get(level)?.payload) return false;
    return true;
  }

  /** Whether nothing fades and nothing is being read. */
  get calm() {
    if (this.reading > 0 || this.going.size > 0) return false;
    for (const group of this.groups.values()) {
      const run = this.run(group);
      const [r, c] = group.wanted;
      if (group.residency !== (run ? r : 0) || (group.residency > 0 && group.below !== Math.min(c, group.residency))) return false;
      if (run && group.residency > 0 && (group.span[0] !== run[0] || group.span[1] !== run[1])) return false;
    }
    return true;
  }

  /** What is drawn, in the order of (node, cell, level). @returns {Drawn[]} */
  drawn() {
    this.sorted ??= [...this.groups.values()].sort(byPlace);
    return this.sorted.flatMap(({ levels, residency, below, span: [finest, coarsest] }) => {
      if (residency <= 0) return [];
      const shown = [];
      for (let level = Math.floor(finest); level <= Math.ceil(coarsest); level++) {
        const held = levels.get(level);
        if (held?.payload) shown.push({ held, residency, below, level, finest, coarsest });
      }
      return shown;
    });
  }

  /** Gives up what was dropped, a whole block not before it has faded. @returns {Held[]} what is gone */
  sweep() {
    const gone = [];
    for (const hash of this.going) {
      const held = this.held.get(hash);
      if (!held) continue;
      const { group } = held;
      const whole = [...group.levels.values()].every((each) => this.going.has(each.hash));
      if (whole) group.wanted = [0, 0];
      if (!whole || group.residency <= 0) gone.push(held);
    }
    for (const held of gone) this.remove(held);
    return gone;
  }

  /** @param {Held} held */
  remove(held) {
    const { group } = held;
    this.held.delete(held.hash);
    this.going.delete(held.hash);
    group.levels.delete(held.level);
    if (!group.levels.size) {
      this.groups.delete(group.block);
      this.sorted = null;
    }
    this.reading -= held.pending;
    this.surfels -= held.count;
    this.leaving.push({ pages: held.pages, row: held.row, look: this.look });
  }

  /** An order has come: what left before it was asked for is free. @param {number} look */
  ordered(look) {
    this.leaving = this.leaving.filter((each) => {
      if (each.look >= look) return true;
      this.freePages.push(...each.pages);
      this.rows[each.row] = null;
      return false;
    });
  }
}

/** @param {number} value @param {number} target @param {number} most */
const towards = (value, target, most) => (value < target ? Math.min(target, value + most) : Math.max(target, value - most));

/** @param {Group} a @param {Group} b */
function byPlace(a, b) {
  if (a.node !== b.node) return a.node < b.node ? -1 : 1;
  if (a.cell.level !== b.cell.level) return a.cell.level - b.cell.level;
  for (let i = 0; i < 3; i++) {
    if (a.cell.index[i] !== b.cell.index[i]) return a.cell.index[i] < b.cell.index[i] ? -1 : 1;
  }
  return 0;
}
