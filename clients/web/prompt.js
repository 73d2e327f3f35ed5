/** The box that asks what should be at a spot. */

import { button, element } from "./dom.js";
import { MAX_FACTOR, MAX_PROMPT, MIN_FACTOR } from "./limits.js";

/** @typedef {{prompt: string, factor: number}} Wish */

const IDEAS = [
  "a ladybug", "moss and dewdrops", "a tiny house", "a snail", "mushrooms", "a butterfly", "pebbles", "a row of ants",
  "cracked paint", "a feather", "frost", "a bird nest", "three strawberries", "a lizard", "rusty metal", "a starfish",
];
const IDEAS_SHOWN = 3;
const MARGIN = 14; // CSS pixels
const NARROW = 640; // CSS pixels: below, the box is a sheet at the bottom (style.css has the same number)

export class PromptBox {
  /** @param {(wish: Wish) => void} ask @param {(factor: number | null) => void} aimed the factor so far; null: closed */
  constructor(ask, aimed) {
    this.ask = ask;
    this.aimed = aimed;
    this.box = element("prompt", HTMLFormElement);
    this.input = element("prompt-text", HTMLInputElement);
    this.factor = element("prompt-factor", HTMLInputElement);
    this.start = Math.floor(Math.random() * IDEAS.length);
    this.factor.max = String(Math.log2(MAX_FACTOR));
    this.input.maxLength = MAX_PROMPT;
    this.box.addEventListener("submit", (event) => {
      event.preventDefault();
      const wish = { prompt: this.input.value.trim(), factor: this.times };
      this.close();
      this.ask(wish);
    });
    this.factor.addEventListener("input", () => this.tell());
    element("prompt-close", HTMLButtonElement).addEventListener("click", () => this.close());
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
    });
  }

  get open() {
    return !this.box.hidden;
  }

  get times() {
    return Math.max(MIN_FACTOR, Math.min(MAX_FACTOR, 2 ** Number(this.factor.value)));
  }

  /** Opens beside a spot. @param {number} x CSS pixels of the viewport @param {number} y */
  show(x, y) {
    const ideas = Array.from({ length: IDEAS_SHOWN }, (_, i) => IDEAS[(this.start + 5 * i) % IDEAS.length]);
    this.start += 1;
    element("prompt-ideas", HTMLElement).replaceChildren(
      ...ideas.map((idea) => button("idea", idea, `Ask for ${idea}`, () => this.take(idea))),
    );
    this.input.value = "";
    this.box.hidden = false;
    this.tell();
    this.place(x, y);
    this.input.focus({ preventScroll: true });
  }

  /** @param {string} idea */
  take(idea) {
    this.input.value = idea;
    this.input.focus();
  }

  /** Beside what the zoom will show. @param {number} x @param {number} y */
  place(x, y) {
    const { style } = this.box;
    if (innerWidth < NARROW) {
      style.left = style.top = "";
      return;
    }
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const aside = innerWidth / (2 * this.times) + 2 * MARGIN;
    const left = x + aside + width + MARGIN < innerWidth ? x + aside : x - aside - width;
    style.left = `${Math.max(MARGIN, Math.min(innerWidth - width - MARGIN, left))}px`;
    style.top = `${Math.max(MARGIN, Math.min(innerHeight - height - MARGIN, y - height / 2))}px`;
  }

  tell() {
    element("prompt-times", HTMLElement).textContent = `${this.times.toFixed(this.times < 10 ? 1 : 0)}×`;
    this.aimed(this.times);
  }

  close() {
    if (!this.open) return;
    this.box.hidden = true;
    this.input.blur();
    this.aimed(null);
  }
}
