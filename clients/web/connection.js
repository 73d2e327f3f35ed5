/**
 * The line to the server: hello, messages both ways, and back again whenever it breaks, as the same viewer. The only
 * module that knows the websocket.
 */

import { MsgpackError, decode, encode } from "./msgpack.js";
import { FORMAT } from "./surfelformat.js";
import { codecs } from "./video.js";

/** @typedef {{address: string, token: string, world: string}} Link where to go, and what opens it */
/**
 * @typedef {{kind: "connecting"} | {kind: "open"} | {kind: "waiting", seconds: number, reason: string}
 *   | {kind: "ended", code: number, reason: string}} State
 */
/** @typedef {{message: (message: any) => void, state: (state: State) => void}} Hooks */

const SUBPROTOCOL = "wonderzoom.v1";
const FIRST_WAIT_S = 0.25;
const LONGEST_WAIT_S = 5;
const SILENT_S = 8; // that a new connection has for its welcome
const NORMAL = 1000;
const able = codecs();

/** Closes after which coming back by oneself is of no use; what they mean, should the server not have said. */
const FINAL = /** @type {Record<number, string>} */ ({
  [NORMAL]: "The server has ended this connection.",
  4400: "The server did not understand this page. Reload it.",
  4401: "The link is not valid any more. Open the link that the server printed.",
  4403: "This is not allowed here.",
  4426: "This page and the server speak different versions. Reload the page.",
  4429: "Too many messages were sent.",
});

/** What the address bar says: `#token=...&world=...`. @param {Location} location @returns {Link} */
export function linkOf(location) {
  const words = new URLSearchParams(location.hash.slice(1));
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return { address: `${scheme}//${location.host}/ws`, token: words.get("token") ?? "", world: words.get("world") ?? "" };
}

export class Connection {
  /** @param {Link} link @param {string} name that others see @param {Hooks} hooks @param {string} [resume] */
  constructor(link, name, hooks, resume = "") {
    this.link = link;
    this.name = name;
    this.hooks = hooks;
    /** Proves who one was: of the last welcome. */
    this.resume = resume;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.welcomed = false;
    this.goodbye = "";
    this.wait = FIRST_WAIT_S;
    this.pause = 0; // seconds that the server asked for
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.over = false;
  }

  /** Connects now, also while it waits to. */
  start() {
    if (this.over || this.socket) return;
    clearTimeout(this.timer);
    this.hooks.state({ kind: "connecting" });
    this.welcomed = false;
    this.goodbye = "";
    const socket = new WebSocket(this.link.address, SUBPROTOCOL);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = async () => this.write(this.hello(await able));
    socket.onmessage = (event) => this.hear(socket, event.data);
    socket.onclose = (event) => this.closed(socket, event.code, event.reason);
    this.timer = setTimeout(() => {
      if (!this.welcomed) socket.close();
    }, SILENT_S * 1000);
  }

  /** @param {string[]} codecs of frames that it can show */
  hello(codecs) {
    const { token, world } = this.link;
    return {
      type: "hello", protocol: [1, 1], client: "page", codecs, surfel_formats: [FORMAT], name: this.name, world,
      ...(token ? { token } : {}), ...(this.resume ? { resume: this.resume } : {}),
    };
  }

  /** Sends a message, if anybody hears it; whether so. @param {object} message */
  send(message) {
    if (!this.welcomed) return false;
    this.write(message);
    return true;
  }

  /** Leaves: for good, or to come back soon. @param {boolean} forGood */
  leave(forGood) {
    if (forGood) this.send({ type: "bye", reason: "left" });
    this.over = true;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.welcomed = false;
    socket?.close();
  }

  /** @param {object} message */
  write(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(encode(message));
  }

  /** @param {WebSocket} socket @param {unknown} data */
  hear(socket, data) {
    if (socket !== this.socket || !(data instanceof ArrayBuffer)) return;
    /** @type {any} */
    let message;
    try {
      message = decode(new Uint8Array(data));
    } catch (error) {
      if (!(error instanceof MsgpackError)) throw error;
      console.warn(`a message could not be read: ${error.message}`);
      return;
    }
    if (message?.type === "welcome") {
      this.welcomed = true;
      this.wait = FIRST_WAIT_S;
      this.pause = 0;
      this.resume = message.resume;
      clearTimeout(this.timer);
      this.hooks.state({ kind: "open" });
    } else if (message?.type === "bye") {
      this.goodbye = message.reason;
      this.pause = (message.retry_after ?? 0) / 1000;
    }
    this.hooks.message(message);
  }

  /** @param {WebSocket} socket @param {number} code @param {string} reason */
  closed(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.welcomed = false;
    clearTimeout(this.timer);
    if (code in FINAL) {
      this.over = true;
      this.hooks.state({ kind: "ended", code, reason: this.goodbye || reason || FINAL[code] });
      return;
    }
    const seconds = Math.max(this.pause, this.wait * (0.5 + 0.5 * Math.random()));
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_S);
    this.hooks.state({ kind: "waiting", seconds, reason: this.goodbye || "The server does not answer." });
    this.timer = setTimeout(() => this.start(), seconds * 1000);
  }
}
