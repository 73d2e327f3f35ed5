/** Links to a view: the camera in the address, beside what opens the world, so that a copied address leads back here. */

import * as cameras from "./camera.js";
import { decode, encode } from "./msgpack.js";

/** @typedef {import("./camera.js").Camera} Camera */

const WORD = "at";
const REST_MS = 400; // an address follows a camera that rests

/** @param {Uint8Array} bytes */
const text = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
/** @param {string} word */
const bytes = (word) => Uint8Array.from(atob(word.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

/** The hash of an address with a camera in it. @param {string} hash @param {Camera} camera */
export function withCamera(hash, camera) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  words.set(WORD, text(encode(cameras.toWire(camera))));
  return `#${words}`;
}

/** The camera that a hash leads to; null if there is none that can be read. @param {string} hash @returns {Camera | null} */
export function cameraIn(hash) {
  const word = new URLSearchParams(hash.replace(/^#/, "")).get(WORD);
  if (!word) return null;
  try {
    const camera = cameras.fromWire(decode(bytes(word)));
    const { quat, pivot, lnDistance, lnFx, lnFy, cx, cy, width, height } = camera;
    const numbers = [...quat, ...pivot.offset, pivot.level, lnDistance, lnFx, lnFy, cx, cy];
    const sound = numbers.every(Number.isFinite) && Math.abs(Math.hypot(...quat) - 1) < 1e-3 && width >= 16 && height >= 16;
    return sound ? camera : null;
  } catch {
    return null; // not one of ours, or cut off
  }
}

/** Keeps the address bar at a camera, whenever it rests. */
export class Address {
  constructor() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Camera} camera of now */
  follow(camera) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      try {
        history.replaceState(null, "", withCamera(location.hash, camera));
      } catch { /* a browser that has had enough of it: the next one will do */ }
    }, REST_MS);
  }

  /** What one looked at is of no world any more. */
  forget() {
    clearTimeout(this.timer);
  }
}
