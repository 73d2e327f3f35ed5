/**
 * The world in a headset: surfels that the page draws itself, or the server's frames of both eyes, moved by their depth to
 * where the eyes are by now. What was the pivot is an arm's length away, and as large as it looked; one walks around it, and
 * grows and shrinks by the sticks.
 */

import * as cameras from "./camera.js";
import { button, element, notice } from "./dom.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./camera.js").Quat} Quat */
/** @typedef {import("./renderer.js").Viewport} Viewport */
/** @typedef {{camera: Camera, viewport: Viewport}} Eye */
/** @typedef {{gl: WebGL2RenderingContext | null, drawEyes: (eyes: Eye[]) => void}} Drawer */
/** The parts of WebXR that are used here, which TypeScript's own types lack. @typedef {any} XRSession @typedef {any} XRFrame */
/**
 * @typedef {object} World
 * @property {import("./stage.js").Stage} stage
 * @property {() => Drawer | null} picture that draws; null: there is none
 * @property {(left: Camera, right?: Camera) => void} looked the server may know where one looks
 * @property {(worn: boolean) => void} worn it is put on, or off
 */

const ARM_M = 0.8; // from the eyes to what was the pivot
const NEAREST_M = 0.05; // a pivot of an eye
const E_FOLDS = 0.9; // of size a second, by a stick
const TURN = 1.0; // radians a second
const DEAD = 0.15;
const TOLD_EVERY_MS = 100;
const MOST_SIDE = 640; // pixels of an eye's picture that a server draws: depth fits it to the display at any rate

/**
 * The camera of an eye: `base` looked at from a pose in metres, whose origin is the eye of `base`.
 * @param {Camera} base @param {Point} at x right, y up, z back @param {Turn} turn of the eye @param {ArrayLike<number>} projection sixteen numbers,
 * column by column @param {number} width pixels @param {number} height @param {number} arm metres to the pivot of `base`
 * @returns {Camera}
 */
export function eyeCamera(base, at, turn, projection, width, height, arm) {
  /** @type {Quat} */
  const own = [turn.w, turn.x, -turn.y, -turn.z]; // in axes with y down and z ahead
  const [x, y, z] = [at.x, -at.y, -at.z];
  const ahead = cameras.rotate(own, [0, 0, 1]);
  // Its pivot is on its axis, beside that of the base.
  const distance = Math.max(NEAREST_M, -x * ahead[0] - y * ahead[1] + (arm - z) * ahead[2]);
  const pixels = Math.exp(cameras.lnF(base)) / arm; // of the base at its pivot, a metre
  const pivot = cameras.movedPivot(base, [
    (x + distance * ahead[0]) * pixels, (y + distance * ahead[1]) * pixels, (z + distance * ahead[2] - arm) * pixels,
  ]);
  return cameras.settled({
    pivot, quat: cameras.multiply(cameras.conjugate(own), base.quat), lnDistance: base.lnDistance + Math.log(distance / arm),
    lnFx: Math.log((projection[0] * width) / 2), lnFy: Math.log((projection[5] * height) / 2),
    cx: (width / 2) * (1 - projection[8]), cy: (height / 2) * (1 + projection[9]), width, height,
  });
}

export class Headset {
  /** @param {World} world */
  constructor(world) {
    this.world = world;
    /** @type {XRSession | null} */
    this.session = null;
    this.frames = 0;
    this.at = 0;
    this.toldAt = 0;
    this.drawn = false;
    /** @type {Drawer | null} of this session */
    this.drawer = null;
    /** @type {Camera | null} whose eye is at the origin */
    this.base = null;
    /** @type {Pose | null} where the head was at first */
    this.origin = null;
    this.button = button("tool", "VR", "Look with the headset", () => void this.enter());
    this.button.id = "headset";
    this.button.hidden = true;
    element("help-open", HTMLButtonElement).before(this.button);
  }

  /** Whether there is a headset, and something that could draw for it. @param {boolean} drawn */
  async look(drawn) {
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const { xr } = /** @type {any} */ (navigator);
    this.button.hidden = !(drawn && xr && (await xr.isSessionSupported("immersive-vr").catch(() => false)));
  }

  async enter() {
    if (this.session) return this.session.end();
    const picture = this.world.picture();
    const { camera } = this.world.stage;
    if (!picture?.gl || !camera) return undefined;
    const { xr } = /** @type {any} */ (navigator);
    const { XRWebGLLayer } = /** @type {any} */ (globalThis);
    const { gl } = picture;
    try {
      const session = await xr.requestSession("immersive-vr", { optionalFeatures: ["local"] });
      await /** @type {any} */ (gl).makeXRCompatible();
      await session.updateRenderState({ baseLayer: new XRWebGLLayer(session, gl) });
      const space = await session.requestReferenceSpace("local");
      this.session = session;
      this.drawer = picture;
      this.world.worn(true);
      this.base = camera;
      this.origin = null;
      this.frames = 0;
      document.body.dataset.headset = "on";
      session.addEventListener("end", () => this.ended());
      const next = (/** @type {number} */ now, /** @type {XRFrame} */ frame) => {
        if (this.session !== session) return;
        session.requestAnimationFrame(next);
        this.frame(frame, space, now);
      };
      session.requestAnimationFrame(next);
    } catch (error) {
      notice(`The headset can't be used: ${error instanceof Error ? error.message : error}`, "problem");
    }
    return undefined;
  }

  ended() {
    this.session = null;
    delete document.body.dataset.headset;
    const gl = this.drawer?.gl;
    gl?.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.drawer = null;
    this.world.worn(false);
    if (this.base) this.world.stage.look(this.base);
  }

  /** @param {XRFrame} frame @param {any} space @param {number} now milliseconds */
  frame(frame, space, now) {
    const picture = this.drawer;
    const pose = frame.getViewerPose(space);
    if (!picture?.gl || !pose || !this.base) return;
    this.base = this.hands(this.base, Math.min(0.1, (now - this.at) / 1000));
    this.at = now;
    const layer = frame.session.renderState.baseLayer;
    const { base } = this;
    const origin = (this.origin ??= levelled(pose.transform));
    const views = pose.views.filter((/** @type {any} */ view) => layer.getViewport(view).width > 0);
    const eyes = views.map((/** @type {any} */ view) => {
      const { x, y, width, height } = layer.getViewport(view);
      const { position, orientation } = relative(view.transform, origin);
      const camera = eyeCamera(base, position, orientation, view.projectionMatrix, width, height, ARM_M);
      return { camera, viewport: { x, y, width, height } };
    });
    const { gl } = picture;
    gl.bindFramebuffer(gl.FRAMEBUFFER, layer.framebuffer);
    if (eyes.length) picture.drawEyes(eyes);
    this.frames += 1;
    document.body.dataset.headsetFrames = String(this.frames);
    if (now - this.toldAt > TOLD_EVERY_MS && eyes.length) {
      this.toldAt = now;
      const [left, right] = eyes.map((/** @type {Eye} */ { camera }) => smaller(camera));
      this.world.looked(left, right);
    }
  }

  /** Sticks: ahead one grows, aside one turns around the pivot. @param {Camera} base @param {number} dt seconds */
  hands(base, dt) {
    let moved = base;
    for (const { gamepad } of this.session?.inputSources ?? []) {
      const [, , x = 0, y = 0] = gamepad?.axes ?? [];
      if (Math.abs(y) > DEAD) moved = { ...moved, lnDistance: moved.lnDistance + y * E_FOLDS * dt };
      if (Math.abs(x) > DEAD) moved = cameras.orbit(moved, x * TURN * dt, 0);
    }
    return moved === base ? base : cameras.settled(moved);
  }
}

/** What a server is asked to draw for an eye. @param {Camera} camera */
function smaller(camera) {
  const ratio = MOST_SIDE / Math.max(camera.width, camera.height);
  if (ratio >= 1) return camera;
  return cameras.resized(camera, Math.round(ratio * camera.width), Math.round(ratio * camera.height));
}

/** @typedef {{position: Point, orientation: Turn}} Pose as WebXR says it */
/** @typedef {{x: number, y: number, z: number}} Point metres */
/** @typedef {{x: number, y: number, z: number, w: number}} Turn */

/** Where the head is, level, and ahead where it looks. @param {Pose} head @returns {Pose} */
function levelled({ position: { x, y, z }, orientation }) {
  const length = Math.hypot(orientation.y, orientation.w) || 1;
  return { position: { x, y, z }, orientation: { x: 0, y: orientation.y / length, z: 0, w: orientation.w / length } };
}

/** A pose as another one, which is level, sees it. @param {Pose} pose @param {Pose} from @returns {Pose} */
function relative({ position: p, orientation: q }, { position: o, orientation }) {
  /** @type {Quat} */
  const back = [orientation.w, 0, -orientation.y, 0];
  const [x, y, z] = cameras.rotate(back, [p.x - o.x, p.y - o.y, p.z - o.z]);
  const [w, a, b, c] = cameras.multiply(back, [q.w, q.x, q.y, q.z]);
  return { position: { x, y, z }, orientation: { x: a, y: b, z: c, w } };
}
