/**
 * Draws surfels with WebGL 2: textures that hold them page by page, a table of their blocks that is written anew for
 * each picture, and 128 quads an instance (one instance a surfel is five times slower where a CPU draws).
 */

import { PAGE } from "./culling.js";
import { LI2_TABLE_SIZE, li2, li2InverseTable } from "./scales.js";
import * as shader from "./shader.js";
import { boundOf, opacityOf } from "./surfelformat.js";

/** @typedef {import("./lens.js").Lens} Lens */
/** @typedef {{x: number, y: number, width: number, height: number}} Viewport pixels of the canvas, from its lower left */

export const FLOATS_A_BLOCK = 4 * shader.BLOCK_TEXELS;
export const FLOATS_A_LARGE = 4 * shader.LARGE_TEXELS;
const FIRST_PAGES = 512;
const MAX_OPACITY_BYTE = 256;

/** Whether this browser draws WebGL 2 with a graphics card; null: not at all. */
export function acceleration() {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return document.createElement("canvas").getContext("webgl2") ? false : null;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

export class SurfelRenderer {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", {
      alpha: false, antialias: false, depth: false, stencil: false, preserveDrawingBuffer: true, powerPreference: "high-performance",
    });
    if (!gl) throw new Error("this browser has no WebGL 2");
    this.gl = gl;
    this.canvas = canvas;
    this.program = linked(gl, shader.VERTEX, shader.FRAGMENT);
    gl.useProgram(this.program);
    /** @type {Record<string, WebGLUniformLocation | null>} */
    this.at = {};
    for (const name of ["uCount", "uRotation", "uLens", "uPicture", "uPixelOctaves"]) {
      this.at[name] = gl.getUniformLocation(this.program, name);
    }
    this.corners = gl.createVertexArray();
    gl.bindVertexArray(this.corners);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, quads(), gl.STATIC_DRAW);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.order = new Sheet(gl, this.program, "uOrder", 0, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, shader.ORDER_WIDTH);
    this.data = new Sheet(gl, this.program, "uData", 1, gl.RGBA32UI, gl.RGBA_INTEGER, gl.UNSIGNED_INT, shader.DATA_WIDTH);
    this.bounds = new Sheet(gl, this.program, "uBounds", 2, gl.RG8UI, gl.RG_INTEGER, gl.UNSIGNED_BYTE, shader.DATA_WIDTH);
    this.pages = new Sheet(gl, this.program, "uPages", 3, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, shader.PAGES_WIDTH);
    this.blocks = new Sheet(gl, this.program, "uBlocks", 4, gl.RGBA32F, gl.RGBA, gl.FLOAT, shader.BLOCKS_A_ROW * shader.BLOCK_TEXELS);
    this.tables = new Sheet(gl, this.program, "uTables", 5, gl.R32F, gl.RED, gl.FLOAT, LI2_TABLE_SIZE);
    this.large = new Sheet(gl, this.program, "uLarge", 6, gl.RGBA32F, gl.RGBA, gl.FLOAT, shader.LARGE_A_ROW * shader.LARGE_TEXELS);
    this.tables.put(tables());
    this.count = 0;
    this.room = 0;
    this.reserve(FIRST_PAGES);
  }

  /** Surfels that fit, of whole pages; what was in them is lost when it grows. @param {number} pages */
  reserve(pages) {
    if (pages <= this.room) return false;
    this.room = Math.max(pages, 2 * this.room);
    const rows = Math.ceil((this.room * PAGE) / shader.DATA_WIDTH);
    this.data.size(rows);
    this.bounds.size(rows);
    return true;
  }

  /** A page of a block. @param {number} page @param {Uint32Array} words four a surfel @param {Uint8Array} bounds two a surfel */
  put(page, words, bounds) {
    this.data.part(page * PAGE, words, words.length / 4);
    this.boundsOf(page, bounds);
  }

  /** The bounds of a page. @param {number} page @param {Uint8Array} bounds */
  boundsOf(page, bounds) {
    this.bounds.part(page * PAGE, bounds, bounds.length / 2);
  }

  /** @param {Uint32Array} blocks the row in the table of blocks of each page */
  setPages(blocks) {
    this.pages.put(blocks);
  }

  /** @param {Uint32Array} numbers of surfels, back to front */
  setOrder(numbers) {
    this.count = numbers.length;
    this.order.put(numbers);
  }

  /** Over a ground. @param {Lens} lens @param {Float32Array} blocks FLOATS_A_BLOCK each @param {Float32Array} large FLOATS_A_LARGE
   * each @param {ArrayLike<number>} ground sRGB in [0, 1] @param {Viewport} [viewport] */
  draw(lens, blocks, large, ground, viewport) {
    const { gl, at } = this;
    const { x, y, width, height } = viewport ?? { x: 0, y: 0, width: this.canvas.width, height: this.canvas.height };
    gl.viewport(x, y, width, height);
    if (viewport) {
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(x, y, width, height);
    } else gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(ground[0], ground[1], ground[2], 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.corners);
    this.blocks.put(blocks);
    this.large.put(large);
    for (const sheet of [this.order, this.data, this.bounds, this.pages, this.blocks, this.tables, this.large]) sheet.bind();
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform1i(at.uCount, this.count);
    gl.uniformMatrix3fv(at.uRotation, true, lens.rotation);
    gl.uniform4f(at.uLens, lens.inverseF, lens.ax, lens.ay, Number(lens.radial));
    gl.uniform4f(at.uPicture, lens.cx, lens.cy, lens.width, lens.height);
    gl.uniform1f(at.uPixelOctaves, lens.pixelOctaves);
    gl.drawElementsInstanced(gl.TRIANGLES, 6 * PAGE, gl.UNSIGNED_SHORT, 0, Math.ceil(this.count / PAGE));
  }
}

/** A texture that is read texel by texel, and grows by rows. */
class Sheet {
  /** @param {WebGL2RenderingContext} gl @param {WebGLProgram} program @param {string} name of its sampler @param {number} unit
   * @param {number} internal @param {number} format @param {number} type @param {number} width texels */
  constructor(gl, program, name, unit, internal, format, type, width) {
    this.gl = gl;
    this.unit = unit;
    this.internal = internal;
    this.format = format;
    this.type = type;
    this.width = width;
    this.channels = format === gl.RGBA || format === gl.RGBA_INTEGER ? 4 : format === gl.RG_INTEGER ? 2 : 1;
    this.rows = 0;
    /** @type {WebGLTexture | null} */
    this.texture = null;
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
    this.size(1);
  }

  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.texture);
  }

  /** At least so many rows; what was there is lost if it has to grow. @param {number} rows */
  size(rows) {
    if (rows <= this.rows) return;
    const { gl } = this;
    this.rows = rows;
    gl.deleteTexture(this.texture);
    this.texture = gl.createTexture();
    this.bind();
    gl.texStorage2D(gl.TEXTURE_2D, 1, this.internal, this.width, rows);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
  }

  /** All of it, from the beginning. @param {Uint32Array | Uint8Array | Float32Array} values */
  put(values) {
    const { gl, channels, width } = this;
    const texels = values.length / channels;
    const whole = Math.floor(texels / width);
    if (Math.ceil(texels / width) > this.rows) this.size(Math.max(2 * this.rows, Math.ceil(texels / width)));
    this.bind();
    if (whole) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, whole, this.format, this.type, values, 0);
    const rest = texels - whole * width;
    if (rest) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, whole, rest, 1, this.format, this.type, values, whole * width * channels);
  }

  /** Texels within one row. @param {number} at texel @param {Uint32Array | Uint8Array} values @param {number} texels */
  part(at, values, texels) {
    const { gl } = this;
    this.bind();
    gl.texSubImage2D(gl.TEXTURE_2D, 0, at % this.width, Math.floor(at / this.width), texels, 1, this.format, this.type, values, 0);
  }
}

/** What the shader looks up instead of working it out. */
function tables() {
  const values = new Float32Array(2 * LI2_TABLE_SIZE);
  values.set(li2InverseTable());
  for (let byte = 0; byte < MAX_OPACITY_BYTE; byte++) {
    values[LI2_TABLE_SIZE + shader.MASSES + byte] = li2(Math.min(opacityOf(byte), 0.9999));
    values[LI2_TABLE_SIZE + shader.OPACITIES + byte] = opacityOf(byte);
    values[LI2_TABLE_SIZE + shader.SLOPES + byte] = 1 / boundOf(byte);
  }
  return values;
}

/** Two triangles for each of PAGE quads. */
function quads() {
  const indices = new Uint16Array(6 * PAGE);
  for (let i = 0; i < PAGE; i++) indices.set([0, 1, 2, 2, 1, 3].map((corner) => 4 * i + corner), 6 * i);
  return indices;
}

/** @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment */
export function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {const} */ ([[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]])) {
    const made = gl.createShader(kind);
    if (!made) throw new Error("WebGL is gone");
    gl.shaderSource(made, source);
    gl.compileShader(made);
    if (!gl.getShaderParameter(made, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(made) ?? "no shader");
    gl.attachShader(program, made);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "no program");
  return program;
}
