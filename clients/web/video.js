/**
 * Frames of H.264 as bitmaps, one after the other. Browsers decode video on secure pages only: https, or this machine.
 */

const CODEC = "avc1.42E01F"; // what the stream says of itself counts; a decoder wants a name before it

/** The codecs of frames that this page can show, the best last. @returns {Promise<string[]>} */
export async function codecs() {
  if (typeof VideoDecoder === "undefined") return ["jpeg"];
  try {
    const { supported } = await VideoDecoder.isConfigSupported({ codec: CODEC, optimizeForLatency: true });
    return supported ? ["jpeg", "h264"] : ["jpeg"];
  } catch {
    return ["jpeg"];
  }
}

export class Video {
  /** @param {() => void} lost called when the stream can't go on: the server has to begin a new one */
  constructor(lost) {
    this.lost = lost;
    /** @type {VideoDecoder | null} */
    this.decoder = null;
    /** @type {{done: (frame: VideoFrame) => void, failed: (error: unknown) => void} | null} */
    this.waiting = null;
    this.asked = false;
    this.count = 0;
  }

  /** The next frame of the stream; null while it can't be decoded. @param {Uint8Array} payload @param {boolean} key
   * @param {number} width @param {number} height of the picture, which may be a pixel less than the stream's
   * @returns {Promise<ImageBitmap | null>} */
  async decode(payload, key, width, height) {
    if (key) this.begin();
    const decoder = this.decoder;
    if (!decoder) {
      this.ask();
      return null;
    }
    const timestamp = this.count++ * 33_333;
    try {
      const frame = await new Promise(
        /** @param {(frame: VideoFrame) => void} done */ (done, failed) => {
          this.waiting = { done, failed };
          decoder.decode(new EncodedVideoChunk({ type: key ? "key" : "delta", timestamp, data: payload }));
        },
      );
      try {
        return await createImageBitmap(frame, 0, 0, width, height);
      } finally {
        frame.close();
      }
    } catch (error) {
      console.warn("a frame of video could not be decoded", error);
      this.end();
      this.ask();
      return null;
    }
  }

  begin() {
    this.end();
    this.asked = false;
    this.decoder = new VideoDecoder({
      output: (frame) => (this.waiting ? this.waiting.done(frame) : frame.close()),
      error: (error) => this.waiting?.failed(error),
    });
    this.decoder.configure({ codec: CODEC, optimizeForLatency: true });
  }

  end() {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    this.waiting = null;
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    this.lost();
  }
}
