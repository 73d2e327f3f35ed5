/** Who is here: a chip for each, which flies to where they are; and one's own name. */

import * as cameras from "./camera.js";
import { button, element } from "./dom.js";
import { MAX_NAME } from "./limits.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{id: string, name: string, color: string, role: string, camera: Camera | null}} Person */

const MOST_CHIPS = 6;
const NAME_KEY = "wonderzoom.name";

/** @param {any[]} viewers of `presence` @returns {Person[]} */
export const peopleOf = (viewers) => viewers.map(({ id, name, color, role, camera }) => ({
  id, name, color, role, camera: camera ? cameras.fromWire(camera) : null,
}));

/** The name that one took here last; empty before one took any. */
export function storedName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

export class People {
  /** @param {(person: Person) => void} visit @param {(name: string) => void} rename */
  constructor(visit, rename) {
    this.visit = visit;
    this.rename = rename;
    this.holder = element("people", HTMLElement);
    this.me = "";
    this.shown = "";
    this.dialog = element("naming", HTMLDialogElement);
    this.input = element("name", HTMLInputElement);
    this.input.maxLength = MAX_NAME;
    this.dialog.addEventListener("close", () => {
      const name = this.input.value.trim();
      if (this.dialog.returnValue !== "take" || !name) return;
      try {
        localStorage.setItem(NAME_KEY, name);
      } catch { /* then it is asked again next time */ }
      this.rename(name);
    });
  }

  /** @param {Person[]} people */
  show(people) {
    const key = people.map(({ id, name, color }) => `${id}/${name}/${color}`).join() + this.me;
    if (key === this.shown) return;
    this.shown = key;
    const sorted = [...people].sort((a, b) => Number(b.id === this.me) - Number(a.id === this.me));
    const chips = sorted.slice(0, MOST_CHIPS).map((person) => {
      const mine = person.id === this.me;
      const label = mine ? `You are ${person.name}: change your name` : `Fly to where ${person.name} is`;
      const chip = button("person", initials(person.name), label, () => (mine ? this.ask(person.name) : this.visit(person)));
      chip.style.setProperty("--color", person.color);
      chip.classList.toggle("me", mine);
      return chip;
    });
    if (people.length > MOST_CHIPS) {
      const more = button("person more", `+${people.length - MOST_CHIPS}`, `${people.length} people are here`, () => {});
      chips.push(more);
    }
    this.holder.replaceChildren(...chips);
  }

  /** @param {string} name */
  ask(name) {
    this.input.value = name;
    this.dialog.showModal();
    this.input.select();
  }
}

/** @param {string} name */
const initials = (name) => {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("");
};
