/** How fast the picture comes: frames a second, and milliseconds from a motion to its picture. */

import { element } from "./dom.js";

const KEPT_MS = 1500;
const IDLE_MS = 1200;

export class Readout {
  constructor() {
    /** @type {{at: number, latency: number | null}[]} */
    this.frames = [];
    this.size = "";
    this.timer = setInterval(() => this.show(), 500);
  }

  /** @param {number} cameraTime of the camera message, page's clock; 0: unknown @param {boolean} first picture of that camera
   * @param {string} size @param {number} quality */
  frame(cameraTime, first, size, quality) {
    const now = performance.now();
    this.frames.push({ at: now, latency: first && cameraTime ? now - cameraTime : null });
    this.size = `${size} q${quality}`;
    this.show();
  }

  /** A picture that the page drew itself. @param {string} size what of */
  drawn(size) {
    this.frames.push({ at: performance.now(), latency: null });
    this.size = size;
  }

  /** What comes now comes another way. */
  clear() {
    this.frames = [];
    this.size = "";
  }

  show() {
    const now = performance.now();
    this.frames = this.frames.filter(({ at }) => now - at < KEPT_MS);
    const { length } = this.frames;
    const fps = length > 2 ? ((length - 1) * 1000) / (this.frames[length - 1].at - this.frames[0].at) : 0;
    const latencies = this.frames.flatMap(({ latency }) => (latency === null ? [] : [latency])).sort((a, b) => a - b);
    const idle = !length || now - this.frames[length - 1].at > IDLE_MS;
    const speed = idle || !fps ? "still" : `${fps.toFixed(0)} fps`;
    const latency = latencies.length ? ` · ${latencies[latencies.length >> 1].toFixed(0)} ms` : "";
    element("readout", HTMLElement).textContent = `${speed}${idle ? "" : latency}${this.size ? ` · ${this.size}` : ""}`;
  }
}
