/** The ladder of scales at the side, and the bar that says how long things are. */

import * as cameras from "./camera.js";
import { element } from "./dom.js";
import { superscript, times, title } from "./tree.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./tree.js").Tree} Tree */

const SVG = "http://www.w3.org/2000/svg";
const UNITS = /** @type {const} */ ([["km", 3], ["m", 0], ["cm", -2], ["mm", -3], ["µm", -6], ["nm", -9], ["pm", -12]]);
const BAR_PIXELS = 120; // CSS: of the longest bar

export class Ladder {
  /** @param {Tree} tree @param {(node: Node) => void} go */
  constructor(tree, go) {
    this.tree = tree;
    this.go = go;
    this.svg = element("ladder", SVGSVGElement);
    this.drawn = "";
  }

  /** @param {Camera} camera @param {Node} here @param {number | null} lnMetres of a root edge */
  show(camera, here, lnMetres) {
    const { root } = this.tree;
    if (!root) return;
    const ln = cameras.lnMagnification(camera, root.camera);
    element("magnification", HTMLElement).textContent = times(ln);
    this.bar(camera, lnMetres);
    const finest = Math.max(...[...this.tree.nodes.values()].map((node) => node.lnMagnification));
    const [low, high] = [Math.min(0, ln) - 0.4, Math.max(finest, ln, Math.log(100)) + 0.6];
    const path = new Set(this.tree.path(here.id).map((node) => node.id));
    const { clientWidth: width, clientHeight: height } = this.svg;
    const key = [low, high, here.id, this.tree.nodes.size, width, height, ln.toFixed(2)].join();
    if (key === this.drawn || !height) return;
    this.drawn = key;
    const y = (/** @type {number} */ at) => height - 6 - ((at - low) / (high - low)) * (height - 12);
    const x = width - 10;
    /** @type {SVGElement[]} */
    const parts = [line("rail", x, y(low), x, y(high))];
    const decades = high / Math.LN10;
    const every = Math.max(1, Math.ceil(decades / (height / 34)));
    for (let power = 0; power <= decades; power += every) {
      const at = y(power * Math.LN10);
      parts.push(line("tick", x - 5, at, x, at));
      parts.push(text("label", x - 10, at, power < 4 ? `${10 ** power}×` : `10${superscript(power)}×`));
    }
    for (const node of this.tree.nodes.values()) {
      if (!path.has(node.id)) parts.push(this.dot(node, x, y(node.lnMagnification), "dot"));
    }
    for (const node of this.tree.path(here.id)) parts.push(this.dot(node, x, y(node.lnMagnification), "dot on"));
    const mark = document.createElementNS(SVG, "path");
    mark.setAttribute("class", "mark");
    mark.setAttribute("d", `M ${x + 10} ${y(ln) - 6} L ${x + 2} ${y(ln)} L ${x + 10} ${y(ln) + 6} z`);
    this.svg.replaceChildren(...parts, mark);
  }

  /** @param {Node} node @param {number} x @param {number} y @param {string} className */
  dot(node, x, y, className) {
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("class", className);
    dot.setAttribute("cx", String(x));
    dot.setAttribute("cy", String(y));
    dot.setAttribute("r", "4.5");
    const tip = document.createElementNS(SVG, "title");
    tip.textContent = `${title(node)} (${times(node.lnMagnification)})${node.by ? `, by ${node.by}` : ""}`;
    dot.append(tip);
    dot.addEventListener("click", () => this.go(node));
    return dot;
  }

  /** @param {Camera} camera @param {number | null} lnMetres */
  bar(camera, lnMetres) {
    const holder = element("scale", HTMLElement);
    holder.hidden = lnMetres === null;
    if (lnMetres === null) return;
    const density = Math.min(camera.width, camera.height) / Math.max(1, Math.min(innerWidth, innerHeight));
    const { pixels, label } = scaleBar(cameras.lnScale(camera) + Math.log(density) + lnMetres);
    element("bar", HTMLElement).style.width = `${pixels}px`;
    element("length", HTMLElement).textContent = `≈ ${label}`;
  }
}

/** The longest bar of 1, 2 or 5 times a power of ten. @param {number} lnMetresPerPixel */
export function scaleBar(lnMetresPerPixel) {
  const power = (lnMetresPerPixel + Math.log(BAR_PIXELS)) / Math.LN10;
  const exponent = Math.floor(power);
  const room = 10 ** (power - exponent);
  const digit = room >= 5 ? 5 : room >= 2 ? 2 : 1;
  const pixels = (BAR_PIXELS * digit) / room;
  const unit = UNITS.find(([, least]) => exponent >= least);
  const [name, least] = unit ?? ["m", 0];
  if (!unit || exponent - least > 3) return { pixels, label: `${digit} × 10${superscript(exponent)} m` };
  return { pixels, label: `${digit * 10 ** (exponent - least)} ${name}` };
}

/** @param {string} className @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function line(className, x1, y1, x2, y2) {
  const made = document.createElementNS(SVG, "line");
  made.setAttribute("class", className);
  Object.entries({ x1, y1, x2, y2 }).forEach(([name, value]) => made.setAttribute(name, String(value)));
  return made;
}

/** @param {string} className @param {number} x @param {number} y @param {string} content */
function text(className, x, y, content) {
  const made = document.createElementNS(SVG, "text");
  made.setAttribute("class", className);
  made.setAttribute("x", String(x));
  made.setAttribute("y", String(y));
  made.textContent = content;
  return made;
}
