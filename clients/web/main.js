/** The page: puts the pieces together, and is the only one that knows all of them. */

import * as cameras from "./camera.js";
import { Connection, linkOf } from "./connection.js";
import { Controls } from "./controls.js";
import { button, element, make, notice } from "./dom.js";
import { Jobs, newRequest, progress } from "./jobs.js";
import { Ladder } from "./ladder.js";
import { Overlay } from "./overlay.js";
import { People, peopleOf, storedName } from "./people.js";
import { Picture } from "./picture.js";
import { PromptBox } from "./prompt.js";
import { Readout } from "./readout.js";
import { Stage } from "./stage.js";
import { Tree, title } from "./tree.js";
import { Uploads } from "./upload.js";
import { showWorlds } from "./worlds.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./connection.js").State} State */
/** @typedef {import("./tree.js").Node} Node */
/** @typedef {{prompt: string, factor: number}} Wish */
/**
 * @typedef {object} Spot that was clicked
 * @property {number} u pixels of `camera`
 * @property {number} v
 * @property {Camera} camera
 * @property {import("./camera.js").Place | null} place of what is there
 * @property {boolean} known whether the server has said what is there, or will not
 * @property {Wish | null} wish that waits for that
 */

const RESUME_KEY = "wonderzoom.resume";
const BLURRED_LN = Math.log(3.2); // closer than this to what is there, one is told how to get more
const CLOSEST_LN = Math.log(64); // closer than this nothing is to be seen any more
const WIDEST_LN = Math.log(4);
const SHOWN_EVERY_MS = 120; // of the path, the ladder and what else says where one is
const ASPECTS = /** @type {const} */ ([3 / 4, 16 / 9]); // of pictures that are generated

class Page {
  constructor() {
    const view = element("view", HTMLElement);
    this.canvas = element("picture", HTMLCanvasElement);
    this.stage = new Stage(view);
    const acknowledge = (/** @type {number} */ frame, /** @type {number} */ decode) => this.send({ type: "ack", frame, decode });
    this.picture = new Picture(this.canvas, acknowledge, () => this.configure());
    this.picture.changed = () => this.pictureChanged();
    this.overlay = new Overlay(element("overlay", HTMLCanvasElement));
    this.tree = new Tree();
    this.ladder = new Ladder(this.tree, (node) => this.fly(node.camera));
    this.readout = new Readout();
    this.jobs = new Jobs({
      send: (message) => this.send(message),
      fly: (camera) => this.fly(camera),
      preview: (job, jpeg) => void this.picture.preview(job.request, jpeg, job.camera),
      changed: () => this.presenceChanged(),
    });
    this.people = new People((person) => person.camera && this.fly(person.camera), (name) => this.enter(this.link, name, true));
    this.uploads = new Uploads((message) => this.send(message), (world) => this.open(world));
    this.prompt = new PromptBox((wish) => this.ask(wish), (factor) => this.aim(factor));
    this.controls = new Controls(this.stage, element("touch", HTMLElement), {
      pick: (at) => this.pick(at, (place) => this.pivot(place)),
      click: (at) => this.click(at),
      moved: () => this.prompt.close(),
      keys: this.keys(),
    });
    this.link = linkOf(location);
    this.codec = new URLSearchParams(location.search).get("codec") ?? "auto"; // of moving frames
    /** @type {Connection | null} */
    this.connection = null;
    this.viewer = "";
    this.role = "viewer";
    this.world = "";
    /** @type {number | null} */
    this.lnMetres = null;
    this.seq = 0;
    this.seenSeq = 0;
    /** @type {import("./people.js").Person[]} */
    this.others = [];
    /** @type {any[]} */
    this.pendingZooms = [];
    /** @type {Map<string, (picked: any) => void>} a pick that is never answered is told as null */
    this.picks = new Map();
    /** @type {Map<string, string>} nodes that this page asked to be removed, and what they are called */
    this.removing = new Map();
    /** @type {string[]} those that are gone, the last last */
    this.gone = [];
    /** @type {Set<string>} those that it asked to have back */
    this.restoring = new Set();
    /** @type {Spot | null} */
    this.spot = null;
    /** @type {Node | null} */
    this.here = null;
    this.shownAt = 0;
    this.stage.onCamera.push((camera) => this.cameraChanged(camera));
    this.stage.onDraw.push((camera) => this.draw(camera));
    this.buttons();
    window.addEventListener("hashchange", () => this.enter(linkOf(location), storedName(), false));
    window.addEventListener("pagehide", () => this.remember());
    window.addEventListener("online", () => this.connection?.start());
  }

  // ---- the connection -------------------------------------------------------------------------------------------
  /** @param {import("./connection.js").Link} link @param {string} name @param {boolean} resume be the same viewer */
  enter(link, name, resume) {
    const token = resume ? this.connection?.resume : "";
    this.connection?.leave(false);
    if (!resume || link.world !== this.link.world) this.forget();
    this.link = link;
    this.connection = new Connection(link, name, {
      message: (message) => this.hear(message),
      state: (state) => this.stateChanged(state),
    }, token ?? takeResume());
    this.connection.start();
  }

  /** Another world. @param {string} world */
  open(world) {
    const words = new URLSearchParams(location.hash.slice(1));
    words.set("world", world);
    location.hash = words.toString(); // `hashchange` does the rest
  }

  forget() {
    this.prompt.close();
    this.jobs.forget();
    this.picture.forget();
    this.tree.nodes.clear();
    this.stage.camera = null;
    this.here = null;
    this.removing.clear();
    this.restoring.clear();
    this.gone = [];
    this.others = [];
    this.pendingZooms = [];
    this.overlay.others = [];
    this.overlay.making = [];
    this.pictureChanged();
  }

  /** Kept for a reload only: a second tab is another viewer. */
  remember() {
    try {
      if (this.connection?.resume) sessionStorage.setItem(RESUME_KEY, this.connection.resume);
    } catch { /* storage is switched off: one comes back as somebody new */ }
  }

  /** @param {object} message */
  send(message) {
    return this.connection?.send(message) ?? false;
  }

  /** @param {State} state */
  stateChanged(state) {
    const line = element("line", HTMLElement);
    line.hidden = state.kind === "open" || state.kind === "ended";
    document.body.dataset.line = state.kind;
    if (state.kind === "waiting") {
      element("line-text", HTMLElement).textContent = `${state.reason} Trying again…`;
    } else if (state.kind === "connecting") {
      element("line-text", HTMLElement).textContent = "Connecting…";
    } else if (state.kind === "ended") {
      const dialog = element("closed", HTMLDialogElement);
      element("closed-reason", HTMLElement).textContent = state.reason;
      if (!dialog.open) dialog.showModal();
    }
    element("line-now", HTMLButtonElement).hidden = state.kind !== "waiting";
  }

  /** @param {any} message */
  hear(message) {
    switch (message.type) {
      case "welcome": return this.welcome(message);
      case "worlds": return this.worlds(message.worlds);
      case "frame": return this.frame(message);
      case "commit": return this.commit(message);
      case "presence":
        this.others = peopleOf(message.viewers);
        this.pendingZooms = message.zooms ?? [];
        return this.presenceChanged();
      case "zoom_status": return this.jobs.hear(message);
      case "picked": {
        this.answered(message.request, message);
        return undefined;
      }
      case "upload_status": return this.uploads.hear(message);
      case "error":
        if (message.request && this.answered(message.request, null)) return undefined; // a frame that is too long ago
        return notice(message.message, "problem");
      default: return undefined; // of a newer server, or said elsewhere
    }
  }

  /** @param {any} welcome */
  welcome(welcome) {
    const again = this.viewer === welcome.viewer;
    this.viewer = welcome.viewer;
    this.people.me = welcome.viewer;
    this.role = welcome.role;
    this.lnMetres = welcome.ln_metres ?? null;
    this.tree.nodes.clear();
    this.tree.add(welcome.nodes ?? []);
    document.title = `${welcome.world} · WonderZoom`;
    document.body.dataset.role = welcome.role;
    element("photo-label", HTMLElement).hidden = welcome.role !== "host";
    this.world = welcome.world;
    this.worlds(welcome.worlds ?? [welcome.world]);
    this.configure();
    if (!this.stage.camera && welcome.camera) this.stage.look(this.stage.fitted(cameras.fromWire(welcome.camera)));
    else if (this.stage.camera) this.cameraChanged(this.stage.camera);
    if (!again) this.seenSeq = 0;
    for (const request of [...this.picks.keys()]) this.answered(request, null);
    this.jobs.askAgain();
    this.uploads.again();
    this.shownAt = 0;
    this.stage.redraw();
  }

  /** Says what the server is to send; its video begins anew. */
  configure() {
    this.send({ type: "configure", max_fps: 30, best_quality: 85, codec: this.codec });
  }

  /** Those that the server has. @param {string[]} names */
  worlds(names) {
    showWorlds(element("world-name", HTMLElement), names, this.world, (world) => this.open(world));
  }

  /** @param {any} message a `frame` */
  frame(message) {
    const [view] = message.views;
    const camera = cameras.fromWire(view.camera);
    this.picture.arrive({
      frame: message.frame, revision: message.revision, still: message.still, codec: message.codec, key: message.key,
      payload: view.payload, camera,
    });
    const first = message.camera_seq > this.seenSeq;
    this.seenSeq = Math.max(this.seenSeq, message.camera_seq);
    this.readout.frame(message.camera_time ?? 0, first, `${camera.width}×${camera.height}`, message.quality);
    for (const [request] of this.picture.previews) {
      if (!this.jobs.jobs.has(request)) void this.picture.preview(request, null); // the world itself shows it now
    }
  }

  /** Says on the body what is shown, for tests and for whoever automates the page. */
  pictureChanged() {
    const { shown } = this.picture;
    const { dataset } = document.body;
    dataset.shown = !shown ? "nothing" : shown.still ? "still" : "moving";
    dataset.revision = String(shown?.revision ?? 0);
    dataset.codec = shown?.codec ?? "";
    this.stage.redraw();
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
    this.stage.redraw();
  }

  // ---- the camera -----------------------------------------------------------------------------------------------
  /** @param {Camera} camera */
  fly(camera) {
    void this.stage.fly(camera);
  }

  /** @param {Camera} camera */
  cameraChanged(camera) {
    this.seq += 1;
    this.send({ type: "camera", seq: this.seq, cameras: [cameras.toWire(camera)], time: performance.now() });
  }

  /** @param {Camera} camera */
  draw(camera) {
    const [width, height] = this.stage.pixels();
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.picture.draw(camera);
    this.overlay.draw(camera, this.stage.size);
    const now = performance.now();
    if (now - this.shownAt >= SHOWN_EVERY_MS) {
      this.shownAt = now;
      this.showPlace(camera);
    } else if (!this.later) {
      this.later = setTimeout(() => {
        this.later = undefined;
        if (this.stage.camera) this.showPlace(this.stage.camera);
      }, SHOWN_EVERY_MS);
    }
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  later = undefined;

  /** Path, ladder, hint: where one is. @param {Camera} camera */
  showPlace(camera) {
    const here = this.tree.at(camera);
    if (!here) return;
    const { root } = this.tree;
    if (here !== this.here) {
      this.here = here;
      this.showPath(here);
    }
    this.ladder.show(camera, here, this.lnMetres);
    const ln = root ? cameras.lnMagnification(camera, root.camera) : 0;
    const blurred = ln - here.lnMagnification > BLURRED_LN && this.role !== "viewer";
    element("hint", HTMLElement).hidden = !blurred || this.prompt.open || this.jobs.jobs.size > 0 || this.stage.flight !== null;
  }

  /** @param {Node} here */
  showPath(here) {
    const parts = this.tree.path(here.id).flatMap((node, i) => {
      const name = button(node === here ? "here" : "", title(node), `Fly to ${title(node)}`, () => this.fly(node.camera));
      return i ? [make("span", "step", "›"), name] : [name];
    });
    const holder = element("path", HTMLElement);
    holder.replaceChildren(...parts);
    if (here.parent !== null && this.role !== "viewer") {
      const bin = button("bin", "", `Remove ${title(here)}`, () => this.remove());
      bin.innerHTML = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5"/></svg>';
      holder.append(bin);
    }
    holder.scrollLeft = holder.scrollWidth;
  }

  up() {
    const parent = this.here?.parent ? this.tree.nodes.get(this.here.parent) : null;
    if (parent) this.fly(parent.camera);
    else this.home();
  }

  home() {
    const { root } = this.tree;
    if (root) this.fly(root.camera);
  }

  remove() {
    const { here } = this;
    if (!here || here.parent === null || this.role === "viewer") return;
    const above = this.tree.above(here.id);
    const built = above ? ` and ${above === 1 ? "the zoom" : `the ${above} zooms`} that ${above === 1 ? "was" : "were"} built on it` : "";
    element("removing-what", HTMLElement).textContent = `“${title(here)}”${built} will be gone, for everyone here.`;
    const dialog = element("removing", HTMLDialogElement);
    dialog.returnValue = "";
    dialog.onclose = () => {
      if (dialog.returnValue !== "remove") return;
      if (this.send({ type: "remove_node", request: newRequest(), node: here.id })) {
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
    if (this.restoring.delete(id) && node) this.fly(node.camera);
  }

  /** Bring back what this page had removed. @param {string | undefined} id */
  restore(id = this.gone.at(-1)) {
    if (id === undefined || this.role === "viewer") return;
    this.restoring.add(id);
    if (!this.send({ type: "restore_node", request: newRequest(), node: id })) notice("There is no connection.", "problem");
  }

  // ---- asking ---------------------------------------------------------------------------------------------------
  /** What is at a pixel of the viewport? Whether the server was asked. @param {{u: number, v: number}} at @param {(picked: any) => void} answer */
  pick(at, answer) {
    const { camera } = this.stage;
    const { shown } = this.picture;
    if (!camera || !shown) return false;
    const seen = cameras.project(shown.camera, cameras.placeAt(camera, at.u, at.v));
    const [u, v] = [seen.u / shown.camera.width, seen.v / shown.camera.height];
    if (!seen.visible || !(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return false;
    const request = newRequest();
    const asked = this.send({ type: "pick", request, at: { frame: shown.frame, u, v } });
    if (asked) this.picks.set(request, answer);
    return asked;
  }

  /** Whether somebody waited for that pick. @param {string} request @param {any} picked */
  answered(request, picked) {
    const answer = this.picks.get(request);
    this.picks.delete(request);
    answer?.(picked);
    return answer !== undefined;
  }

  /** The pivot goes to the depth of what was picked; the picture stays, and so does a flight. @param {any} picked */
  pivot(picked) {
    if (!picked?.place || this.stage.flight) return;
    this.stage.move((camera) => {
      const { zeta, w } = cameras.project(camera, cameras.placeFromWire(picked.place));
      return w > 0.02 && w < 50 ? cameras.atDepth(camera, zeta) : camera;
    });
  }

  /** @param {{u: number, v: number}} at */
  click(at) {
    if (this.prompt.open) return this.prompt.close();
    const { camera } = this.stage;
    if (!camera) return;
    if (this.role === "viewer") return notice("You may look here. Who has the host's link can make new detail.");
    this.stage.flight = null;
    /** @type {Spot} */
    const spot = { ...at, camera, place: null, known: false, wish: null };
    this.spot = spot;
    spot.known = !this.pick(at, (picked) => this.spotKnown(spot, picked));
    const { density } = this.stage.size;
    this.prompt.show(at.u / density, at.v / density);
  }

  /** @param {Spot} spot @param {any} picked */
  spotKnown(spot, picked) {
    spot.known = true;
    const current = this.spot === spot && this.prompt.open;
    if (picked && !picked.place) {
      if (current) this.prompt.close();
      if (current || spot.wish) notice("There is nothing there to zoom into.");
      return;
    }
    if (picked) spot.place = cameras.placeFromWire(picked.place);
    if (spot.wish) this.zoomTo(spot, spot.wish);
    else if (current) this.aim(this.prompt.times);
  }

  /** The camera of a zoom at a spot. @param {Spot} spot @param {number} factor @returns {Camera | null} */
  target(spot, factor) {
    const camera = this.stage.camera ?? spot.camera;
    const place = spot.place ?? cameras.placeAt(spot.camera, spot.u, spot.v);
    const { u, v, zeta, visible } = cameras.project(camera, place);
    if (!visible) return null;
    const aimed = cameras.zoom(cameras.lookAt(camera, place, u, v, zeta), factor);
    const aspect = Math.max(ASPECTS[0], Math.min(ASPECTS[1], aimed.width / aimed.height));
    const { width, height } = aimed;
    const [w, h] = width / height > aspect ? [Math.round(height * aspect), height] : [width, Math.round(width / aspect)];
    return { ...aimed, width: w, height: h, cx: w / 2, cy: h / 2 };
  }

  /** @param {number | null} factor */
  aim(factor) {
    this.overlay.target = factor === null || !this.spot ? null : this.target(this.spot, factor);
    this.stage.redraw();
  }

  /** What was asked for at the clicked spot. @param {Wish} wish */
  ask(wish) {
    const { spot } = this;
    this.spot = null;
    if (spot?.known) this.zoomTo(spot, wish);
    else if (spot) spot.wish = wish; // it is sent when it is known how deep the spot is
  }

  /** @param {Spot} spot @param {Wish} wish */
  zoomTo(spot, { prompt, factor }) {
    const target = this.target(spot, factor);
    if (target) this.jobs.ask(target, prompt);
  }

  // ---- people ---------------------------------------------------------------------------------------------------
  presenceChanged() {
    this.people.show(this.others);
    const colors = new Map(this.others.map((person) => [person.id, person.color]));
    this.overlay.others = this.others.flatMap(({ id, name, color, camera }) =>
      id !== this.viewer && camera ? [{ name, color, camera }] : []);
    this.overlay.making = this.pendingZooms.map(({ viewer, camera, prompt, stage, fraction }) => ({
      camera: cameras.fromWire(camera), color: colors.get(viewer) ?? "#ffffff", label: prompt || "finer detail",
      progress: stage ? progress(stage, fraction ?? 0) : null,
    }));
    this.stage.redraw();
  }

  // ---- buttons and keys -----------------------------------------------------------------------------------------
  keys() {
    const middle = () => {
      const [width, height] = this.stage.pixels();
      this.click({ u: width / 2, v: height / 2 });
    };
    return /** @type {Record<string, () => void>} */ ({
      "enter": middle, "u": () => this.up(), "home": () => this.home(), "h": () => this.home(), "o": () => this.toggleOrbit(),
      "?": () => element("help", HTMLDialogElement).showModal(), "escape": () => this.prompt.close(),
      "Delete": () => this.remove(), "z": () => this.restore(),
    });
  }

  toggleOrbit() {
    this.controls.orbiting = !this.controls.orbiting;
    element("orbit", HTMLButtonElement).setAttribute("aria-pressed", String(this.controls.orbiting));
  }

  buttons() {
    const actions = /** @type {Record<string, () => void>} */ ({
      "closer": () => this.controls.nudge(Math.LN2), "wider": () => this.controls.nudge(-Math.LN2), "up": () => this.up(),
      "home": () => this.home(), "orbit": () => this.toggleOrbit(), "line-now": () => this.connection?.start(),
      "help-open": () => element("help", HTMLDialogElement).showModal(),
    });
    for (const [id, act] of Object.entries(actions)) {
      element(id, HTMLButtonElement).addEventListener("click", (event) => {
        if (event.currentTarget instanceof HTMLElement) event.currentTarget.blur(); // so that keys go to the world again
        act();
      });
    }
    const closed = element("closed", HTMLDialogElement);
    closed.addEventListener("close", () => {
      const pasted = /#(.+)$/.exec(element("closed-link", HTMLInputElement).value.trim());
      if (pasted && `#${pasted[1]}` !== location.hash) location.hash = pasted[1];
      else this.enter(this.link, storedName(), false);
    });
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

  start() {
    this.stage.bound = (camera) => this.bounded(camera);
    this.enter(this.link, storedName(), false);
  }
}

/** Who one was before a reload of this tab; only once. */
function takeResume() {
  try {
    const token = sessionStorage.getItem(RESUME_KEY) ?? "";
    sessionStorage.removeItem(RESUME_KEY);
    return token;
  } catch {
    return "";
  }
}

new Page().start();
