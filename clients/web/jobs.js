/** Zooms that one has asked for: a card for each, with its progress, its picture, and a way to call it off. */

import * as cameras from "./camera.js";
import { button, element, jpeg, make, notice } from "./dom.js";

/** @typedef {import("./camera.js").Camera} Camera */
/**
 * @typedef {object} Job
 * @property {string} request
 * @property {string} prompt
 * @property {Camera} camera of the zoom
 * @property {any} message as it was sent
 * @property {any} status the newest one
 * @property {Card} card
 * @property {boolean} [stopped] from here
 */
/** @typedef {{root: HTMLElement, state: HTMLElement, fill: HTMLElement, image: HTMLImageElement, stop: HTMLButtonElement}} Card */
/**
 * @typedef {object} Hooks
 * @property {(message: object) => boolean} send
 * @property {(camera: Camera) => void} fly
 * @property {(job: Job, jpeg: Uint8Array | null) => void} preview null when there is none any more
 * @property {() => void} changed
 */

/** What each stage is for a person, and how far the whole is when it begins. @type {Record<string, [string, number]>} */
const STAGES = {
  observe: ["looking", 0], describe: ["thinking", 0.05], upscale: ["sharpening", 0.08], edit: ["painting", 0.35],
  depth: ["shaping", 0.5], segment: ["shaping", 0.53], auxiliary: ["looking around", 0.56], lift: ["building", 0.64],
  optimise: ["refining", 0.7], commit: ["keeping", 0.97],
};
const DONE_SHOWN_MS = 5000;

/** How far a zoom is, of the whole. @param {string | undefined} stage @param {number} fraction of the stage */
export function progress(stage, fraction) {
  if (!stage || !(stage in STAGES)) return 0;
  const begins = STAGES[stage][1];
  const ends = Math.min(1, ...Object.values(STAGES).map(([, start]) => start).filter((start) => start > begins));
  return begins + fraction * (ends - begins);
}

/** What a stage is for a person. @param {string} stage */
export const stageName = (stage) => STAGES[stage]?.[0] ?? "working";

export class Jobs {
  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    /** @type {Map<string, Job>} */
    this.jobs = new Map();
    this.holder = element("jobs", HTMLElement);
  }

  /** Asks for finer content. @param {Camera} camera what it should show @param {string} prompt */
  ask(camera, prompt) {
    const request = newRequest();
    const message = { type: "zoom", request, camera: cameras.toWire(camera), prompt, seed: Math.floor(Math.random() * 2 ** 32) };
    const job = { request, prompt, camera, message, status: { state: "queued", position: 0 }, card: this.card(request, prompt) };
    this.jobs.set(request, job);
    this.holder.append(job.card.root);
    if (!this.hooks.send(message)) job.card.state.textContent = "waits for the connection";
    this.hooks.fly(camera); // at once: the picture sharpens while one arrives
    this.hooks.changed();
  }

  /** On a new connection: the same requests are the same jobs. */
  askAgain() {
    for (const job of this.jobs.values()) this.hooks.send(job.message);
  }

  /** They belong to a world that was left. */
  forget() {
    for (const job of [...this.jobs.values()]) this.end(job, 0);
  }

  /** @param {any} status a `zoom_status` */
  hear(status) {
    const job = this.jobs.get(status.request);
    if (!job) return;
    job.status = status;
    const { card } = job;
    card.root.dataset.state = status.state;
    if (status.state === "queued") {
      const before = status.position ?? 0;
      card.state.textContent = before ? `${before} before it${eta(status.eta)}` : `begins${eta(status.eta)}`;
    } else if (status.state === "running") {
      card.state.textContent = stageName(status.stage);
      card.fill.style.width = `${100 * progress(status.stage, status.fraction ?? 0)}%`;
      if (status.preview) this.preview(job, status.preview);
    } else {
      this.finished(job, status);
    }
    this.hooks.changed();
  }

  /** @param {Job} job @param {Uint8Array} bytes */
  preview(job, bytes) {
    const { image } = job.card;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(jpeg(bytes));
    image.hidden = false;
    this.hooks.preview(job, bytes);
  }

  /** @param {Job} job @param {any} status */
  finished(job, status) {
    const { card } = job;
    card.stop.title = "Close";
    card.stop.setAttribute("aria-label", "Close");
    if (status.state === "committed") {
      card.fill.style.width = "100%";
      const ignored = status.ignored ?? [];
      const without = ignored.length ? `, without: ${ignored.join(", ")}` : "";
      card.state.textContent = without || status.message ? `here${without} ${status.message ?? ""}`.trim() : "it is here";
      this.end(job, without || status.message ? 3 * DONE_SHOWN_MS : DONE_SHOWN_MS);
    } else if (status.state === "cancelled" && job.stopped) {
      this.end(job, 0);
    } else {
      const why = status.message || (status.state === "cancelled" ? "the server has called it off" : "it could not be made");
      card.root.dataset.state = "failed";
      card.state.textContent = why;
      notice(`${job.prompt || "finer detail"}: ${why}`, "problem");
      this.end(job, Infinity); // a zoom may take minutes, in which nobody looks: it stays to be read
    }
  }

  /** @param {Job} job @param {number} shown milliseconds */
  end(job, shown) {
    this.jobs.delete(job.request);
    const away = () => {
      URL.revokeObjectURL(job.card.image.src);
      job.card.root.remove();
    };
    if (job.status.state !== "committed") this.hooks.preview(job, null); // a committed one goes when a frame shows it
    if (shown === Infinity) return;
    if (shown) setTimeout(away, shown);
    else away();
  }

  /** @param {string} request @param {string} prompt @returns {Card} */
  card(request, prompt) {
    const root = make("div", "job");
    root.dataset.state = "queued";
    const image = make("img", "job-image");
    image.alt = "";
    image.hidden = true;
    const words = make("div", "job-words");
    const state = make("div", "job-state", "asked");
    const track = make("div", "job-track");
    const fill = make("div", "job-fill");
    track.append(fill);
    words.append(make("div", "job-title", prompt || "finer detail"), state, track);
    const stop = button("job-stop", "×", "Call it off", () => this.stop(request, root));
    root.append(image, words, stop);
    root.addEventListener("click", () => {
      const job = this.jobs.get(request);
      if (job) this.hooks.fly(job.camera);
    });
    return { root, state, fill, image, stop };
  }

  /** @param {string} request @param {HTMLElement} root */
  stop(request, root) {
    const job = this.jobs.get(request);
    if (job) job.stopped = true;
    if (!job) root.remove();
    else if (!this.hooks.send({ type: "cancel", request })) notice("There is no connection; it is called off when you try again.");
  }
}

/** A key that nobody else has. */
export function newRequest() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {number | null | undefined} milliseconds */
const eta = (milliseconds) => (milliseconds ? `, about ${Math.ceil(milliseconds / 1000)} s` : "");
