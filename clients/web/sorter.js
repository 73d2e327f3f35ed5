/**
 * The worker behind the surfels: reads blocks, keeps what is needed to cull and to sort them, and says for each picture
 * in which order its surfels are drawn. Answers one question at a time, always with the blocks that it was asked about.
 */

import { Order, PAGE, makePage } from "./culling.js";
import { columns, decodeBounds, decodePayload } from "./surfelformat.js";

/** @typedef {import("./culling.js").Page} Page */
/** @typedef {import("./surfelformat.js").Payload} Payload */
/** @typedef {{type: "block", block: number, pages: number[], payload: Uint8Array, bounds: Uint8Array}} Take */
/** @typedef {{type: "bounds", block: number, bounds: Uint8Array}} Patch */
/** @typedef {{type: "drop", block: number}} Drop */
/** @typedef {{type: "look", look: number, lens: import("./lens.js").Lens, margin: number, seen: Float64Array}} Look */
/** @typedef {Take | Patch | Drop | Look} Question */
/**
 * @typedef {{type: "block", block: number, payload: Payload, bounds: Uint8Array} | {type: "bounds", block: number, bounds: Uint8Array}
 *   | {type: "bad", block: number, reason: string} | {type: "order", look: number, numbers: Uint32Array, large: number[]}} Answer
 */

/** Numbers of a block in `seen`: block, origin, edge, scale, R, R_child, level, finest, coarsest. */
export const SEEN = 11;

/** What the worker keeps; without a worker for tests. */
export class Sorter {
  constructor() {
    /** @type {Map<number, {pages: Page[], at: number[], payload: Payload}>} */
    this.blocks = new Map();
    this.order = new Order();
  }

  /** @param {Take} take @returns {Promise<Answer>} */
  async take({ block, pages, payload: bytes, bounds: boundBytes }) {
    const payload = await decodePayload(bytes);
    const bounds = await decodeBounds(boundBytes, payload.count);
    this.blocks.set(block, { pages: pagesOf(payload, bounds, pages), at: pages, payload });
    return { type: "block", block, payload, bounds };
  }

  /** @param {Patch} patch @returns {Promise<Answer | null>} */
  async patch({ block, bounds: boundBytes }) {
    const known = this.blocks.get(block);
    if (!known) return null;
    const bounds = await decodeBounds(boundBytes, known.payload.count);
    known.pages = pagesOf(known.payload, bounds, known.at);
    return { type: "bounds", block, bounds };
  }

  /** @param {Look} look @returns {Answer} */
  look({ look, lens, margin, seen }) {
    const blocks = [];
    for (let at = 0; at < seen.length; at += SEEN) {
      const [block, x, y, z, edge, scale, residency, below, level, finest, coarsest] = seen.subarray(at, at + SEEN);
      const known = this.blocks.get(block);
      if (!known) continue;
      const frame = { origin: /** @type {import("./camera.js").Vec3} */ ([x, y, z]), edge, scale };
      blocks.push({ pages: known.pages, frame, shares: { residency, below, level, finest, coarsest } });
    }
    this.order.of(blocks, lens, margin);
    return { type: "order", look, numbers: this.order.numbers.slice(0, this.order.count), large: this.order.large };
  }
}

/** @param {Payload} payload @param {Uint8Array} bounds @param {number[]} pages where they are kept */
function pagesOf(payload, bounds, pages) {
  return pages.map((page, k) => {
    const rows = Math.min(PAGE, payload.count - k * PAGE);
    return makePage(page * PAGE, rows, (data) => columns(payload, bounds, k * PAGE, rows, data));
  });
}

/** @typedef {{onmessage: ((event: MessageEvent<Question>) => void) | null, postMessage: (answer: Answer, moved?: Transferable[]) => void}} Scope */

if (typeof document === "undefined" && typeof self === "object") { // neither the page nor a test
  const scope = /** @type {Scope} */ (/** @type {unknown} */ (self));
  const sorter = new Sorter();
  let line = Promise.resolve(); // one after the other, as reading a block takes turns
  scope.onmessage = ({ data }) => {
    line = line.then(() => answer(data));
  };
  /** @param {Question} question */
  const answer = async (question) => {
    if (question.type === "look") {
      const answered = sorter.look(question);
      scope.postMessage(answered, answered.type === "order" ? [answered.numbers.buffer] : []);
    } else if (question.type === "drop") {
      sorter.blocks.delete(question.block);
    } else {
      try {
        const answered = await (question.type === "block" ? sorter.take(question) : sorter.patch(question));
        if (answered) scope.postMessage(answered);
      } catch (error) {
        scope.postMessage({ type: "bad", block: question.block, reason: String(error) });
      }
    }
  };
}
