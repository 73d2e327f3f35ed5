/** Those who share the world: whom one follows, the places that are kept for all, what others wait for, and the door. */

import * as cameras from "./camera.js";
import { button, element, make, notice } from "./dom.js";
import { newRequest, progress, stageName } from "./jobs.js";
import { MAX_NAME } from "./limits.js";
import { People, peopleOf } from "./people.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./people.js").Person} Person */
/**
 * @typedef {object} Hooks
 * @property {(message: object) => boolean} send
 * @property {(camera: Camera) => Promise<void>} fly resolves when one is there
 * @property {(camera: Camera) => void} look at once
 * @property {() => Camera | null} camera of now
 * @property {(role: string) => void} role one's own is another one
 * @property {(name: string) => void} rename
 */
/** @typedef {{id: string, name: string, by: string, camera: Camera}} Bookmark */

const WAITS = "waits";

export class Company {
  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.me = "";
    this.role = "viewer";
    this.locked = false;
    /** @type {Person[]} everybody who is here */
    this.people = [];
    /** @type {any[]} zooms that somebody waits for */
    this.zooms = [];
    /** @type {Bookmark[]} */
    this.bookmarks = [];
    /** Whom one follows. @type {{id: string, name: string} | null} */
    this.leader = null;
    /** @type {Camera | null} where they were last */
    this.led = null;
    this.chips = new People({
      visit: (person) => person.camera && void hooks.fly(person.camera),
      follow: (person) => void this.follow(person),
      rename: hooks.rename,
      grant: (person, role) => this.ask({ type: "grant", viewer: person.id, role }),
      kick: (person) => this.ask({ type: "kick", viewer: person.id }),
    });
    this.banner = element("following", HTMLElement);
    element("follow-stop", HTMLButtonElement).addEventListener("click", () => this.stop());
    this.places = element("bookmarks", HTMLElement);
    element("bookmarks-open", HTMLButtonElement).addEventListener("click", () => this.openPlaces(this.places.hidden));
    this.places.addEventListener("keydown", (event) => event.key === "Escape" && this.openPlaces(false));
    window.addEventListener("pointerdown", ({ target }) => {
      const inside = target instanceof Element && target.closest("#bookmarks, #bookmarks-open");
      if (!inside && !this.places.hidden) this.openPlaces(false);
    }, true);
    element("bookmark-new", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep();
    });
    element("bookmark-name", HTMLInputElement).maxLength = MAX_NAME;
    element("lock", HTMLButtonElement).addEventListener("click", () => this.ask({ type: "lock", locked: !this.locked }));
    this.queue = element("queue", HTMLElement);
  }

  /** @param {object} message */
  ask(message) {
    const sent = this.hooks.send({ ...message, request: newRequest() });
    if (!sent) notice("There is no connection.", "problem");
    return sent;
  }

  // ---- the connection -------------------------------------------------------------------------------------------
  /** @param {any} welcome */
  welcome(welcome) {
    this.me = this.chips.me = welcome.viewer;
    this.setRole(welcome.role);
    this.showPlaces([]);
  }

  /** A camera of one's own was said, on a new connection: whoever is followed is to be followed again. */
  again() {
    if (this.leader) this.ask({ type: "follow", viewer: this.leader.id });
  }

  /** Another world. */
  forget() {
    this.lead(null);
    this.people = [];
    this.zooms = [];
    this.showPlaces([]);
    this.showQueue();
    this.chips.close();
  }

  /** Whether a message was about this. @param {any} message */
  hear(message) {
    switch (message.type) {
      case "presence": this.presence(message); return true;
      case "led": this.follows(message); return true;
      case "bookmarks": this.showPlaces(message.bookmarks.map((/** @type {any} */ each) => ({ ...each, by: each.by ?? "", camera: cameras.fromWire(each.camera) }))); return true;
      default: return false;
    }
  }

  /** @param {any} message */
  presence(message) {
    this.people = peopleOf(message.viewers);
    this.zooms = message.zooms ?? [];
    this.locked = message.locked ?? false;
    const lock = element("lock", HTMLButtonElement);
    lock.setAttribute("aria-pressed", String(this.locked));
    lock.title = this.locked ? "Locked: nobody new comes in. Let everybody in again" : "Let nobody new in";
    const mine = this.people.find(({ id }) => id === this.me);
    if (mine && mine.role !== this.role) {
      this.setRole(mine.role);
      notice(mine.role === "viewer" ? "A host lets you look only, from now on." : `A host has made you ${mine.role === "host" ? "a host" : "an editor"}.`);
    }
    this.showQueue();
    this.chips.show(this.people, this.role === "host");
  }

  /** @param {string} role */
  setRole(role) {
    this.role = role;
    element("lock", HTMLButtonElement).hidden = role !== "host";
    element("bookmark-new", HTMLFormElement).hidden = role === "viewer";
    this.hooks.role(role);
  }

  /** What others look at, to be drawn: not those who look where one looks oneself. */
  get others() {
    const near = new Set([this.me, this.leader?.id]);
    return this.people.flatMap(({ id, name, color, camera, following }) =>
      near.has(id) || (following && near.has(following)) || !camera ? [] : [{ name, color, camera }]);
  }

  // ---- following ------------------------------------------------------------------------------------------------
  /** Fly to somebody, then look where they look. @param {Person} person */
  async follow(person) {
    const here = this.people.find(({ id }) => id === person.id) ?? person;
    if (here.camera) await this.hooks.fly(here.camera);
    if (this.ask({ type: "follow", viewer: person.id })) this.lead({ id: person.id, name: person.name });
  }

  stop() {
    if (this.leader) this.ask({ type: "follow" });
    this.lead(null);
  }

  /** @param {{id: string, name: string} | null} leader */
  lead(leader) {
    this.leader = leader;
    this.led = null;
    this.banner.hidden = !leader;
    element("following-name", HTMLElement).textContent = leader?.name ?? "";
    document.body.dataset.following = leader?.id ?? "";
  }

  /** @param {any} message a `led` */
  follows(message) {
    if (!this.leader) return; // on its way when one moved
    if (!message.viewer) {
      notice(`${this.leader.name} has left.`);
      this.lead(null);
    } else if (message.viewer === this.leader.id && message.camera) {
      this.led = cameras.fromWire(message.camera);
      this.hooks.look(this.led);
    }
  }

  /** Whether that camera of the page is the server's own word, and not to be said back. One that is neither that nor of
   * another viewport ends it. @param {Camera} camera */
  leads(camera) {
    if (!this.leader) return false;
    if (camera === this.led) return true;
    const before = this.led;
    if (!before || (before.width === camera.width && before.height === camera.height)) this.lead(null);
    return false;
  }

  // ---- places ---------------------------------------------------------------------------------------------------
  /** @param {boolean} open */
  openPlaces(open) {
    this.places.hidden = !open;
    element("bookmarks-open", HTMLButtonElement).setAttribute("aria-expanded", String(open));
    const keyboard = !window.matchMedia("(pointer: coarse)").matches; // one on the screen would cover the places
    if (open && keyboard && this.role !== "viewer") element("bookmark-name", HTMLInputElement).focus();
  }

  keep() {
    const input = element("bookmark-name", HTMLInputElement);
    const camera = this.hooks.camera();
    const name = input.value.trim();
    if (camera && name && this.ask({ type: "bookmark", name, camera: cameras.toWire(camera) })) input.value = "";
  }

  /** @param {Bookmark[]} bookmarks */
  showPlaces(bookmarks) {
    this.bookmarks = bookmarks;
    const rows = bookmarks.map(({ id, name, by, camera }) => {
      const row = make("div", "place");
      row.append(button("place-name", name, `Fly to ${name}${by ? `, kept by ${by}` : ""}`, () => void this.hooks.fly(camera)));
      if (this.role !== "viewer") row.append(button("place-away", "×", `Keep ${name} no longer`, () => this.ask({ type: "remove_bookmark", bookmark: id })));
      return row;
    });
    const none = make("p", "place-none", this.role === "viewer" ? "No places are kept here yet." : "Keep the places that are worth coming back to.");
    element("bookmarks-list", HTMLElement).replaceChildren(...(rows.length ? rows : [none]));
  }

  // ---- what others wait for -------------------------------------------------------------------------------------
  /** A row for each zoom of somebody else, in the order of the queue; one's own have cards. */
  showQueue() {
    const rows = this.zooms.filter(({ viewer }) => viewer !== this.me).map(({ viewer, prompt, stage, fraction, camera }) => {
      const who = this.people.find(({ id }) => id === viewer);
      const what = prompt || "finer detail";
      const state = stage ? `${stageName(stage)} ${Math.round(100 * progress(stage, fraction ?? 0))}%` : WAITS;
      const row = button("queued", "", `Fly to where ${who?.name ?? "somebody"} asked for ${what}`, () => void this.hooks.fly(cameras.fromWire(camera)));
      row.style.setProperty("--color", who?.color ?? "#ffffff");
      row.append(make("span", "queued-who", who?.name ?? "away"), make("span", "queued-what", what), make("span", "queued-state", state));
      return row;
    });
    this.queue.replaceChildren(...rows);
  }
}
