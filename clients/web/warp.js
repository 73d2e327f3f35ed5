/**
 * Pictures with depth as another camera sees them, by WebGL 2: the samples of depth are the corners of a mesh with the
 * picture on it. Each sample is the nearest of those around it, so what is in front takes a rim of the background along,
 * and where something comes to light that the picture does not show, the mesh is stretched between the background's colours.
 */

import * as cameras from "./camera.js";
import { linked } from "./renderer.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./depth.js").Depth} Depth */
/** @typedef {import("./renderer.js").Viewport} Viewport */
/** @typedef {{bitmap: ImageBitmap, camera: Camera, depth: Depth}} Deep */
/** @typedef {{texture: WebGLTexture, corners: WebGLBuffer, sides: WebGLBuffer, array: WebGLVertexArrayObject, count: number}} Mesh */

const MOST = 8; // meshes that stay on the card
const CORNER = 3; // floats: where in the picture, pixels, and zeta

const VERTEX = `#version 300 es
precision highp float;
in vec3 corner; // pixels, and zeta
uniform vec4 from; // 1 / f, cx, cy, and fy / f of the picture's camera: that times fx / f is 1
uniform mat3 turn; // view coordinates of the picture's camera to those of the one of now ...
uniform vec3 shift;
uniform vec4 to; // ... and its 1 / f, cx, cy, fy / f
uniform vec4 size; // of the picture, and of the viewport, pixels
out vec3 uvw; // where in the picture, times the depth there: it is projected onto the mesh
void main() {
  float depth = 1.0 + corner.z * from.x;
  uvw = vec3(corner.xy / size.xy, 1.0) * depth;
  vec3 seen = vec3((corner.xy - from.yz) * depth * vec2(from.w, 1.0 / from.w), corner.z);
  vec3 here = turn * seen + shift;
  float w = 1.0 + here.z * to.x;
  vec2 at = here.xy * vec2(1.0 / to.w, to.w) + to.yz * w; // pixels, times w
  float order = here.z / max(w, 1e-6);
  gl_Position = vec4(2.0 * at.x / size.z - w, w - 2.0 * at.y / size.w, order / (abs(order) + 256.0) * w, w);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D picture;
in vec3 uvw;
out vec4 shown;
void main() { shown = vec4(textureProj(picture, uvw).rgb, 1.0); }`;

export class Warp {
  /** @param {HTMLCanvasElement} canvas of its own @throws {Error} where there is no WebGL 2 */
  constructor(canvas = document.createElement("canvas")) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: true });
    if (!gl) throw new Error("this browser has no WebGL 2");
    this.gl = gl;
    this.program = linked(gl, VERTEX, FRAGMENT);
    const place = (/** @type {string} */ name) => gl.getUniformLocation(this.program, name);
    this.places = { from: place("from"), turn: place("turn"), shift: place("shift"), to: place("to"), size: place("size") };
    /** By picture; the last used is last. @type {Map<Deep, Mesh>} */
    this.meshes = new Map();
  }

  /** Whether it can draw now. */
  get able() {
    return !this.gl.isContextLost();
  }

  /** Pictures, the last one in front, as a camera sees them; what none of them shows stays empty.
   * @param {Deep[]} sheets @param {Camera} camera @param {Viewport} viewport of the framebuffer that is bound
   * @param {[number, number, number]} [ground] */
  draw(sheets, camera, { x, y, width, height }, ground) {
    const { gl } = this;
    gl.viewport(x, y, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(x, y, width, height);
    gl.disable(gl.BLEND);
    gl.disable(gl.CULL_FACE);
    gl.enable(gl.DEPTH_TEST);
    gl.depthMask(true);
    if (ground) gl.clearColor(...ground, 1);
    else gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    for (const sheet of sheets) {
      gl.clear(gl.DEPTH_BUFFER_BIT); // a newer picture hides an older one
      this.drawOne(sheet, camera);
    }
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.DEPTH_TEST);
  }

  /** @param {Deep} sheet @param {Camera} camera */
  drawOne(sheet, camera) {
    const { gl, places } = this;
    const { matrix, origin } = cameras.mapFrom(camera, sheet.camera);
    if (![...matrix, ...origin].every((each) => Math.abs(each) < 1e30)) return;
    const mesh = this.mesh(sheet);
    gl.bindTexture(gl.TEXTURE_2D, mesh.texture);
    gl.bindVertexArray(mesh.array);
    gl.uniform4f(places.from, ...lens(sheet.camera));
    gl.uniform4f(places.to, ...lens(camera));
    gl.uniformMatrix3fv(places.turn, true, matrix);
    gl.uniform3f(places.shift, ...origin);
    gl.uniform4f(places.size, sheet.camera.width, sheet.camera.height, camera.width, camera.height);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
  }

  /** @param {Deep} sheet @returns {Mesh} */
  mesh(sheet) {
    const known = this.meshes.get(sheet) ?? this.made(sheet);
    this.meshes.delete(sheet);
    this.meshes.set(sheet, known);
    for (const old of this.meshes.keys()) {
      if (this.meshes.size <= MOST) break;
      this.forget(old);
    }
    return known;
  }

  /** @param {Deep} sheet @returns {Mesh} */
  made(sheet) {
    const { gl } = this;
    const [texture, corners, sides, array] = [gl.createTexture(), gl.createBuffer(), gl.createBuffer(), gl.createVertexArray()];
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, sheet.bitmap);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    const { points, triangles } = meshOf(sheet.depth, sheet.camera);
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(this.program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, CORNER, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, sides);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return { texture, corners, sides, array, count: triangles.length };
  }

  /** A picture is not shown any more. @param {Deep} sheet */
  forget(sheet) {
    const mesh = this.meshes.get(sheet);
    if (!mesh) return;
    const { gl } = this;
    this.meshes.delete(sheet);
    gl.deleteTexture(mesh.texture);
    gl.deleteBuffer(mesh.corners);
    gl.deleteBuffer(mesh.sides);
    gl.deleteVertexArray(mesh.array);
  }
}

/** Whether a picture is exactly what a camera sees, but for its resolution. @param {Camera} camera @param {Camera} from */
export function unmoved(camera, from) {
  const { matrix: m, origin } = cameras.mapFrom(camera, from);
  const ratio = camera.width / from.width;
  const near = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(a - b) < 1e-4;
  const turned = m.some((each, i) => !near(each, i % 4 ? 0 : ratio));
  const other = !near(cameras.lnF(camera) - cameras.lnF(from), Math.log(ratio)) || !near(camera.lnFy - camera.lnFx, from.lnFy - from.lnFx);
  return !turned && !other && origin.every((each) => Math.abs(each) < 0.01)
    && Math.abs(camera.cx - ratio * from.cx) < 0.01 && Math.abs(camera.cy - ratio * from.cy) < 0.01;
}

/** 1 / f, cx, cy, fy / f. @param {Camera} camera @returns {[number, number, number, number]} */
function lens(camera) {
  const f = cameras.lnF(camera);
  return [f < 80 ? Math.exp(-f) : 0, camera.cx, camera.cy, Math.exp(camera.lnFy - f)];
}

/** The middles of the samples and the rim of the picture as corners, and the triangles between those that are known.
 * @param {Depth} depth @param {Camera} camera that it is of */
export function meshOf({ width, height, zeta }, camera) {
  const [across, down] = [width + 2, height + 2];
  const points = new Float32Array(CORNER * across * down);
  for (let j = 0, at = 0; j < down; j++) {
    const y = Math.max(0, Math.min(height - 1, j - 1));
    const v = Math.max(0, Math.min(camera.height, ((j - 0.5) * camera.height) / height));
    for (let i = 0; i < across; i++, at += CORNER) {
      const x = Math.max(0, Math.min(width - 1, i - 1));
      points[at] = Math.max(0, Math.min(camera.width, ((i - 0.5) * camera.width) / width));
      points[at + 1] = v;
      points[at + 2] = zeta[y * width + x];
    }
  }
  const triangles = new Uint32Array(6 * (across - 1) * (down - 1));
  let count = 0;
  for (let j = 0; j + 1 < down; j++) {
    for (let i = 0; i + 1 < across; i++) {
      const a = j * across + i;
      const four = [a, a + 1, a + across, a + across + 1];
      if (four.some((corner) => Number.isNaN(points[CORNER * corner + 2]))) continue;
      triangles.set([four[0], four[1], four[2], four[1], four[3], four[2]], count);
      count += 6;
    }
  }
  return { points, triangles: triangles.subarray(0, count) };
}
