/** A photo that is dropped on the page becomes a world: in portions, and from where it stopped after a break. */

import { element, notice } from "./dom.js";
import { newRequest } from "./jobs.js";
import { MAX_CHUNK, MAX_FILE_NAME, MAX_UPLOAD } from "./limits.js";

const WINDOW = 4; // portions that are under way at once

/** @typedef {{upload: string, name: string, data: Uint8Array, digest: Uint8Array, sent: number, ended: boolean}} Upload */

export class Uploads {
  /** @param {(message: object) => boolean} send @param {(world: string) => void} open */
  constructor(send, open) {
    this.send = send;
    this.open = open;
    /** @type {Upload | null} */
    this.upload = null;
    this.card = element("upload", HTMLElement);
    this.image = element("upload-image", HTMLImageElement);
    const picker = element("photo", HTMLInputElement);
    picker.addEventListener("change", () => {
      const file = picker.files?.[0];
      if (file) void this.begin(file);
      picker.value = "";
    });
    this.drops(element("drop", HTMLElement));
  }

  /** @param {HTMLElement} veil is shown while something is held over the page */
  drops(veil) {
    let inside = 0;
    const carriesFile = (/** @type {DragEvent} */ event) => !!event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      inside += 1;
      veil.hidden = false;
    });
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("dragleave", (event) => {
      if (carriesFile(event)) inside = Math.max(0, inside - 1);
      veil.hidden = inside === 0;
    });
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      inside = 0;
      veil.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file) void this.begin(file);
    });
  }

  /** @param {File} file */
  async begin(file) {
    if (this.upload) return notice("One photo at a time: the last one is not done yet.");
    if (!file.type.startsWith("image/")) return notice(`${file.name} is no picture.`, "problem");
    if (file.size > MAX_UPLOAD) return notice(`${file.name} is larger than ${MAX_UPLOAD / 2 ** 20} MB.`, "problem");
    if (!crypto.subtle) return notice("Photos can only be sent over https, or to this machine itself.", "problem");
    const data = new Uint8Array(await file.arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    const name = file.name.slice(-MAX_FILE_NAME) || "photo";
    this.upload = { upload: newRequest(), name, data, digest, sent: 0, ended: false };
    URL.revokeObjectURL(this.image.src);
    this.image.src = URL.createObjectURL(file);
    this.show("sending the photo", 0);
    this.again();
  }

  /** Begins, or goes on after a break: the server says how much it has. */
  again() {
    const { upload } = this;
    if (!upload) return;
    upload.ended = false;
    this.send({ type: "upload_begin", upload: upload.upload, name: upload.name, bytes: upload.data.length, sha256: upload.digest });
    upload.sent = -1;
  }

  /** @param {any} status an `upload_status` */
  hear(status) {
    const { upload } = this;
    if (!upload || status.upload !== upload.upload) return;
    if (status.state === "receiving") {
      if (upload.sent < 0) upload.sent = status.received;
      this.show("sending the photo", (0.3 * status.received) / upload.data.length);
      this.portions(upload, status.received);
    } else if (status.state === "creating") {
      this.show("a world is being made of it", 0.3 + 0.7 * (status.fraction ?? 0));
    } else {
      this.upload = null;
      this.card.hidden = true;
      if (status.state === "done") this.open(status.world);
      else notice(`No world was made of ${upload.name}: ${status.message || "it failed"}`, "problem");
    }
  }

  /** @param {Upload} upload @param {number} received */
  portions(upload, received) {
    const { data } = upload;
    while (upload.sent < data.length && upload.sent - received < WINDOW * MAX_CHUNK) {
      const part = data.subarray(upload.sent, upload.sent + MAX_CHUNK);
      this.send({ type: "upload_chunk", upload: upload.upload, offset: upload.sent, data: part });
      upload.sent += part.length;
    }
    if (received >= data.length && !upload.ended) {
      upload.ended = true;
      this.send({ type: "upload_end", upload: upload.upload });
    }
  }

  /** @param {string} text @param {number} share */
  show(text, share) {
    this.card.hidden = false;
    element("upload-state", HTMLElement).textContent = text;
    element("upload-fill", HTMLElement).style.width = `${100 * share}%`;
  }
}
