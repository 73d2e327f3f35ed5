/** The page: puts the pieces together, and is the only one that knows all of them. */

import * as cameras from "./camera.js";
import { Asking } from "./asking.js";
import { Company } from "./company.js";
import { Connection, linkOf } from "./connection.js";
import { Controls } from "./controls.js";
import { Address, cameraIn } from "./deeplinks.js";
import { element, notice } from "./dom.js";
import { Gamepads } from "./gamepad.js";
import { Headset } from "./headset.js";
import { Jobs, newRequest, progress } from "./jobs.js";
import { Overlay } from "./overlay.js";
import { storedName } from "./people.js";
import { Stage } from "./stage.js";
import { Stored, storedWorld } from "./stored.js";
import { Uploads } from "./upload.js";
import { Views } from "./views.js";
import { Whereabouts } from "./whereabouts.js";
import { showWorlds } from "./worlds.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./connection.js").State} State */

const RESUME_KEY = "wonderzoom.resume";

class Page {
  constructor() {
    const view = element("view", HTMLElement);
    this.stage = new Stage(view);
    this.views = new Views({
      send: (message) => this.send(message),
      changed: () => this.pictureChanged(),
      redraw: () => this.stage.redraw(),
      recalled: () => {
        if (this.stage.camera) this.tell(this.stage.camera);
      },
    });
    this.overlay = new Overlay(element("overlay", HTMLCanvasElement), (context, camera) => this.views.drawPreviews(context, camera));
    this.where = new Whereabouts({
      send: (message) => this.send(message),
      fly: (camera) => this.fly(camera),
      role: () => this.role,
      busy: () => this.asking.prompt.open || this.jobs.jobs.size > 0 || this.stage.flight !== null,
    });
    this.jobs = new Jobs({
      send: (message) => this.send(message),
      fly: (camera) => this.fly(camera),
      preview: (job, jpeg) => void this.views.picture.preview(job.request, jpeg, job.camera),
      changed: () => this.presenceChanged(),
    });
    this.company = new Company({
      send: (message) => this.send(message),
      fly: (camera) => this.stage.fly(camera),
      look: (camera) => this.stage.look(camera),
      camera: () => this.stage.camera,
      role: (role) => this.roleIs(role),
      rename: (name) => this.enter(this.link, name, true),
    });
    this.uploads = new Uploads((message) => this.send(message), (world) => this.open(world));
    this.asking = new Asking({
      stage: this.stage,
      role: () => this.role,
      pick: (at, answer) => this.pick(at, answer),
      aim: (target) => {
        this.overlay.target = target;
        this.stage.redraw();
      },
      zoom: (camera, prompt) => this.jobs.ask(camera, prompt),
    });
    this.controls = new Controls(this.stage, element("touch", HTMLElement), {
      pick: (at) => this.pick(at, (found) => this.pivot(found)),
      click: (at) => this.asking.click(at),
      moved: () => this.asking.prompt.close(),
      keys: this.keys(),
    });
    this.headset = new Headset({
      stage: this.stage,
      picture: () => this.views.forEyes,
      worn: (worn) => this.views.wear(worn),
      looked: (left, right) => this.tell(left, this.views.shown === "frames" ? right : undefined),
    });
    new Gamepads(this.stage, {
      pick: (at) => this.pick(at, (found) => this.pivot(found)),
      moved: () => this.asking.prompt.close(),
      ask: () => this.askInTheMiddle(),
      up: () => this.where.up(),
      home: () => this.where.home(),
    }).listen(window);
    this.link = linkOf(location);
    this.address = new Address();
    this.wanted = cameraIn(location.hash); // where to begin
    /** @type {Connection | Stored | null} */
    this.connection = null;
    this.viewer = "";
    this.role = "viewer";
    this.world = "";
    this.seq = 0;
    this.seenSeq = 0;
    /** @type {Map<string, (found: import("./asking.js").Found | null) => void>} a pick that is never answered is told as null */
    this.picks = new Map();
    this.stage.onCamera.push((camera) => this.cameraChanged(camera));
    this.stage.onDraw.push((camera) => this.draw(camera));
    this.buttons();
    window.addEventListener("hashchange", () => this.go());
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
    const hooks = { message: (/** @type {any} */ message) => this.hear(message), state: (/** @type {State} */ state) => this.stateChanged(state) };
    const file = storedWorld();
    this.views.only = file ? "surfels" : null;
    this.connection = file ? new Stored(file, hooks) : new Connection(link, name, hooks, token ?? takeResume());
    this.connection.start();
  }

  /** Where another address leads: into another world, or elsewhere in this one. */
  go() {
    const link = linkOf(location);
    this.wanted = cameraIn(location.hash);
    const same = link.token === this.link.token && link.world === this.link.world && this.connection?.over === false;
    if (this.wanted && this.stage.camera && same) this.fly(this.wanted);
    else this.enter(link, storedName(), false);
  }

  /** Another world. @param {string} world */
  open(world) {
    const words = new URLSearchParams(location.hash.slice(1));
    words.set("world", world);
    words.delete("at");
    location.hash = words.toString(); // `hashchange` does the rest
  }

  forget() {
    this.asking.prompt.close();
    this.jobs.forget();
    this.views.forget();
    this.where.forget();
    this.stage.camera = null;
    this.address.forget();
    this.company.forget();
    this.overlay.others = [];
    this.overlay.making = [];
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
    if (this.company.hear(message)) return this.presenceChanged();
    switch (message.type) {
      case "welcome": return this.welcome(message);
      case "worlds": return this.worlds(message.worlds);
      case "frame": return this.frame(message);
      case "surfels": return this.views.delta(message);
      case "stream": return this.views.chosen(message);
      case "commit":
        this.where.commit(message);
        return this.stage.redraw();
      case "zoom_status": return this.jobs.hear(message);
      case "picked": {
        this.answered(message.request, { place: message.place ? cameras.placeFromWire(message.place) : null });
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
    this.company.welcome(welcome);
    this.where.begin(welcome.nodes ?? [], welcome.ln_metres ?? null);
    document.title = `${welcome.world} · WonderZoom`;
    this.world = welcome.world;
    this.worlds(welcome.worlds ?? [welcome.world]);
    element("recorded", HTMLElement).hidden = !welcome.recorded;
    this.views.welcome(welcome);
    const begin = this.wanted ?? (welcome.camera ? cameras.fromWire(welcome.camera) : null);
    if (!this.stage.camera && begin) this.stage.look(this.stage.fitted(begin));
    else if (this.stage.camera) this.tell(this.stage.camera);
    this.company.again();
    if (!again) this.seenSeq = 0;
    for (const request of [...this.picks.keys()]) this.answered(request, null);
    this.jobs.askAgain();
    this.uploads.again();
    this.stage.redraw();
  }

  /** What one may do. @param {string} role */
  roleIs(role) {
    this.role = role;
    document.body.dataset.role = role;
    element("photo-label", HTMLElement).hidden = role !== "host";
    this.where.here = null; // what can be done there is another thing now
    this.stage.redraw();
  }

  /** Those that the server has. @param {string[]} names */
  worlds(names) {
    showWorlds(element("world-name", HTMLElement), names, this.world, (world) => this.open(world));
  }

  /** @param {any} message a `frame` */
  frame(message) {
    const first = message.camera_seq > this.seenSeq;
    this.seenSeq = Math.max(this.seenSeq, message.camera_seq);
    this.views.frame(message, first);
  }

  /** Something else is shown than before. */
  pictureChanged() {
    void this.headset.look(this.views.forEyes !== null);
    this.views.showsPreviews((request) => this.jobs.jobs.has(request));
    this.stage.redraw();
  }

  // ---- the camera -----------------------------------------------------------------------------------------------
  /** @param {Camera} camera */
  fly(camera) {
    void this.stage.fly(camera);
  }

  /** @param {Camera} camera */
  cameraChanged(camera) {
    if (!this.company.leads(camera)) {
      this.tell(camera);
      this.company.again(); // where only the viewport is another one
    }
    this.address.follow(camera);
  }

  /** The server may know where one looks. @param {Camera} camera @param {Camera} [beside] of the other eye */
  tell(camera, beside) {
    if (this.views.recalling && this.views.asks === "surfels") return; // first it hears what is here
    this.seq += 1;
    const eyes = (beside ? [camera, beside] : [camera]).map(cameras.toWire);
    this.send({ type: "camera", seq: this.seq, cameras: eyes, time: performance.now() });
    this.views.looked(this.seq);
  }

  /** @param {Camera} camera */
  draw(camera) {
    if (!this.headset.session) this.views.draw(camera, this.stage.pixels());
    this.overlay.draw(camera, this.stage.size);
    this.where.show(camera);
  }

  // ---- asking ---------------------------------------------------------------------------------------------------
  /** What is at a pixel of the viewport? Whether it is answered. @param {import("./asking.js").Point} at
   * @param {(found: import("./asking.js").Found | null) => void} answer */
  pick(at, answer) {
    const { camera } = this.stage;
    const own = camera && this.views.pick(camera, at.u, at.v);
    if (own) answer(own);
    if (own) return true;
    const { shown } = this.views.picture;
    if (!camera || !shown) return false;
    const seen = cameras.project(shown.camera, cameras.placeAt(camera, at.u, at.v));
    const [u, v] = [seen.u / shown.camera.width, seen.v / shown.camera.height];
    if (!seen.visible || !(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return false;
    const request = newRequest();
    const asked = this.send({ type: "pick", request, at: { frame: shown.frame, u, v } });
    if (asked) this.picks.set(request, answer);
    return asked;
  }

  /** Whether somebody waited for that pick. @param {string} request @param {import("./asking.js").Found | null} found */
  answered(request, found) {
    const answer = this.picks.get(request);
    this.picks.delete(request);
    answer?.(found);
    return answer !== undefined;
  }

  /** The pivot goes to the depth of what was picked; the picture stays, and so does a flight.
   * @param {import("./asking.js").Found | null} found */
  pivot(found) {
    const place = found?.place;
    if (!place || this.stage.flight) return;
    this.stage.move((camera) => {
      const { zeta, w } = cameras.project(camera, place);
      return w > 0.02 && w < 50 ? cameras.atDepth(camera, zeta) : camera;
    });
  }

  // ---- people ---------------------------------------------------------------------------------------------------
  presenceChanged() {
    const colors = new Map(this.company.people.map((person) => [person.id, person.color]));
    this.overlay.others = this.company.others;
    this.overlay.making = this.company.zooms.map(({ viewer, camera, prompt, stage, fraction }) => ({
      camera: cameras.fromWire(camera), color: colors.get(viewer) ?? "#ffffff", label: prompt || "finer detail",
      progress: stage ? progress(stage, fraction ?? 0) : null,
    }));
    this.stage.redraw();
  }

  // ---- buttons and keys -----------------------------------------------------------------------------------------
  askInTheMiddle() {
    const [width, height] = this.stage.pixels();
    this.asking.click({ u: width / 2, v: height / 2 });
  }

  keys() {
    return /** @type {Record<string, () => void>} */ ({
      "enter": () => this.askInTheMiddle(), "u": () => this.where.up(), "home": () => this.where.home(), "h": () => this.where.home(), "o": () => this.toggleOrbit(),
      "?": () => element("help", HTMLDialogElement).showModal(), "escape": () => this.asking.prompt.close(),
      "Delete": () => this.where.remove(), "z": () => this.where.restore(),
    });
  }

  toggleOrbit() {
    this.controls.orbiting = !this.controls.orbiting;
    element("orbit", HTMLButtonElement).setAttribute("aria-pressed", String(this.controls.orbiting));
  }

  buttons() {
    const actions = /** @type {Record<string, () => void>} */ ({
      "closer": () => this.controls.nudge(Math.LN2), "wider": () => this.controls.nudge(-Math.LN2), "up": () => this.where.up(),
      "home": () => this.where.home(), "orbit": () => this.toggleOrbit(), "line-now": () => this.connection?.start(),
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

  start() {
    element("insecure", HTMLElement).hidden = isSecureContext;
    this.stage.bound = (camera) => this.where.bounded(camera);
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
