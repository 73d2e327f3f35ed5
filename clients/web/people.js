/** Who is here: a chip for each with what one may do there; and one's own name. */

import * as cameras from "./camera.js";
import { button, element, make } from "./dom.js";
import { MAX_NAME } from "./limits.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {{id: string, name: string, color: string, role: string, camera: Camera | null, following: string | null}} Person */
/**
 * @typedef {object} Acts
 * @property {(person: Person) => void} visit
 * @property {(person: Person) => void} follow
 * @property {(name: string) => void} rename
 * @property {(person: Person, role: string) => void} grant as a host
 * @property {(person: Person) => void} kick as a host
 */

const MOST_CHIPS = 6;
const ROLES = { viewer: "may look", editor: "may zoom", host: "is a host" };
const NAME_KEY = "wonderzoom.name";

/** @param {any[]} viewers of `presence` @returns {Person[]} */
export const peopleOf = (viewers) => viewers.map(({ id, name, color, role, camera, following }) => ({
  id, name, color, role, camera: camera ? cameras.fromWire(camera) : null, following: following ?? null,
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
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.hosts = false;
    this.menu = element("person-menu", HTMLElement);
    window.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Node && !this.menu.contains(event.target)) this.close();
    }, true);
    this.menu.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
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
      this.acts.rename(name);
    });
  }

  /** @param {Person[]} people @param {boolean} hosts whether one may do more than look at them */
  show(people, hosts) {
    const key = people.map(({ id, name, color, role, following }) => `${id}/${name}/${color}/${role}/${following}`).join() + this.me + hosts;
    if (key === this.shown) return;
    this.shown = key;
    this.hosts = hosts;
    if (!people.some(({ id }) => id === this.menu.dataset.viewer)) this.close();
    const sorted = [...people].sort((a, b) => Number(b.id === this.me) - Number(a.id === this.me));
    const chips = sorted.slice(0, MOST_CHIPS).map((person) => {
      const mine = person.id === this.me;
      const led = people.find(({ id }) => id === person.following);
      const label = mine ? `You are ${person.name}: change your name` : `${person.name}${led ? `, following ${led.name}` : ""}`;
      const chip = button("person", initials(person.name), label, () => (mine ? this.ask(person.name) : this.open(person, chip)));
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

  /** What one may do with somebody. @param {Person} person @param {HTMLElement} chip */
  open(person, chip) {
    const { acts, menu } = this;
    const act = (/** @type {() => void} */ does) => () => {
      this.close();
      does();
    };
    menu.replaceChildren(
      make("div", "menu-name", person.name),
      button("", "Fly there", `Fly to where ${person.name} is`, act(() => acts.visit(person))),
      button("", "Follow", `Look where ${person.name} looks`, act(() => acts.follow(person))),
    );
    if (this.hosts) {
      const roles = make("select");
      roles.setAttribute("aria-label", `What ${person.name} may do`);
      for (const [role, may] of Object.entries(ROLES)) {
        const option = make("option", "", may);
        option.value = role;
        option.selected = role === person.role;
        roles.append(option);
      }
      roles.addEventListener("change", act(() => acts.grant(person, roles.value)));
      menu.append(roles, button("danger", "Send away", `Send ${person.name} away`, act(() => acts.kick(person))));
    }
    menu.dataset.viewer = person.id;
    menu.hidden = false;
    const { right } = chip.getBoundingClientRect();
    menu.style.right = `${Math.max(8, window.innerWidth - right - 40)}px`;
    menu.querySelector("button")?.focus();
  }

  close() {
    this.menu.hidden = true;
    delete this.menu.dataset.viewer;
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
