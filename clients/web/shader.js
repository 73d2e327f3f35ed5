/**
 * The programs that draw surfels: `splats.js` in float32, for four corners of each surfel. A number in the order names
 * a surfel by its place in the textures; one with the highest bit names a splat that was projected in float64.
 */

import { LARGE, PAGE } from "./culling.js";
import { LI2_MAX, LI2_TABLE_SIZE, MAX_OPACITY, MIP_FADE, MIP_REACH, MIP_SHARPNESS } from "./scales.js";
import { ANGLES } from "./surfelformat.js";
import { BLUR, EDGE, MAX_ALPHA, MIN_ALPHA, NEAR, NEAR_SIGMAS, THICKNESS } from "./splats.js";

/** Texels a row of the textures. */
export const ORDER_WIDTH = 4096;
export const DATA_WIDTH = 2048;
export const PAGES_WIDTH = 2048;
/** RGBA texels of a block, and blocks a row. */
export const BLOCK_TEXELS = 5;
export const BLOCKS_A_ROW = 256;
/** RGBA texels of a splat of a large block, and splats a row. */
export const LARGE_TEXELS = 3;
export const LARGE_A_ROW = 1024;
/** Where the second row of the tables has what: Li2 and value of an opacity's byte, 1 / distance of a bound's. */
export const [MASSES, OPACITIES, SLOPES] = [0, 256, 512];

/** @param {number} value */
const float = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));

export const VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
uniform usampler2D uOrder, uData, uBounds, uPages;
uniform sampler2D uBlocks, uTables, uLarge;
uniform int uCount;
uniform mat3 uRotation;
uniform vec4 uLens; // 1 / f, fx / f, fy / f, whether scales are radial
uniform vec4 uPicture; // principal point, size
uniform float uPixelOctaves;
out vec2 vSigmas;
flat out vec4 vColor;

float ramp(float value) { return clamp(value, 0.0, 1.0); }
float table(int at) { return texelFetch(uTables, ivec2(at, 1), 0).x; }
vec4 onScreen(vec2 pixel) { return vec4(2.0 * pixel.x / uPicture.z - 1.0, 1.0 - 2.0 * pixel.y / uPicture.w, 0.0, 1.0); }

float modulated(int opacity, float alpha) {
  float full = min(table(${OPACITIES} + opacity), ${float(MAX_OPACITY)});
  if (alpha >= 1.0) return full;
  float at = alpha * table(${MASSES} + opacity) * ${float((LI2_TABLE_SIZE - 1) / LI2_MAX)};
  int i = min(int(at), ${LI2_TABLE_SIZE - 2});
  return mix(texelFetch(uTables, ivec2(i, 0), 0).x, texelFetch(uTables, ivec2(i + 1, 0), 0).x, at - float(i));
}

// The axes of a surfel: the z axis turned the shortest way to its normal, after a turn about z by the angle.
void ownAxes(vec2 octahedral, float angle, out vec3 first, out vec3 second, out vec3 normal) {
  vec2 e = octahedral * (2.0 / 255.0) - 1.0;
  vec2 p = 0.5 * vec2(e.x + e.y, e.x - e.y);
  normal = normalize(vec3(p, 1.0 - abs(p.x) - abs(p.y)));
  vec2 k = normal.xy / (1.0 + normal.z);
  vec3 across = vec3(1.0 - normal.x * k.x, -normal.x * k.y, -normal.x);
  vec3 along = vec3(-normal.y * k.x, 1.0 - normal.y * k.y, -normal.y);
  first = cos(angle) * across + sin(angle) * along;
  second = cos(angle) * along - sin(angle) * across;
}

// A splat of a large block: its sigmas at three corners of the picture say all of it.
void large(int at, vec2 corner) {
  ivec2 place = ivec2(at % ${LARGE_A_ROW} * ${LARGE_TEXELS}, at / ${LARGE_A_ROW});
  vec4 top = texelFetch(uLarge, place, 0), left = texelFetch(uLarge, place + ivec2(1, 0), 0);
  vColor = vec4(texelFetch(uLarge, place + ivec2(2, 0), 0).rgb, left.z);
  vec2 share = 0.5 * corner + 0.5;
  vSigmas = top.xy + share.x * (top.zw - top.xy) + share.y * (left.xy - top.xy);
  gl_Position = onScreen(share * uPicture.zw);
}

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // nowhere
  vSigmas = vec2(0.0);
  vColor = vec4(0.0);
  int at = gl_InstanceID * ${PAGE} + (gl_VertexID >> 2);
  if (at >= uCount) return;
  vec2 corner = vec2(gl_VertexID & 1, (gl_VertexID >> 1) & 1) * 2.0 - 1.0;
  uint number = texelFetch(uOrder, ivec2(at % ${ORDER_WIDTH}, at / ${ORDER_WIDTH}), 0).x;
  if (number >= ${LARGE}u) {
    large(int(number - ${LARGE}u), corner);
    return;
  }
  ivec2 cell = ivec2(number % ${DATA_WIDTH}u, number / ${DATA_WIDTH}u);
  uvec4 words = texelFetch(uData, cell, 0);
  uvec2 bounds = texelFetch(uBounds, cell, 0).xy;
  uint page = number / ${PAGE}u;
  int block = int(texelFetch(uPages, ivec2(page % ${PAGES_WIDTH}u, page / ${PAGES_WIDTH}u), 0).x);
  ivec2 row = ivec2(block % ${BLOCKS_A_ROW} * ${BLOCK_TEXELS}, block / ${BLOCKS_A_ROW});
  vec4 frame = texelFetch(uBlocks, row, 0); // origin, edge
  vec4 shares = texelFetch(uBlocks, row + ivec2(1, 0), 0); // r - ln edge, R, R_child, level
  vec4 span = texelFetch(uBlocks, row + ivec2(2, 0), 0); // finest, coarsest, x: low, step
  vec4 grid = texelFetch(uBlocks, row + ivec2(3, 0), 0); // ln scales: low, step of the first, of the second
  vec4 places = texelFetch(uBlocks, row + ivec2(4, 0), 0); // positions: low, step

  float inverseF = uLens.x;
  vec3 mean = places.x + places.y * vec3(words.x & 65535u, words.x >> 16, words.y & 65535u);
  vec3 point = uRotation * (mean * frame.w) + frame.xyz;
  float w = 1.0 + point.z * inverseF;
  vec2 lengths = exp(grid.xz + grid.yw * vec2(words.z >> 8 & 255u, words.z >> 16 & 255u));
  float sigma = max(lengths.x, lengths.y) * frame.w;
  if (w < ${float(NEAR)} || w < ${float(NEAR_SIGMAS)} * sigma * inverseF) return;

  float native = span.z + span.w * float(words.w >> 24);
  float ratio = uLens.w > 0.0 ? length(vec3(point.xy * inverseF, w)) : w;
  float t = shares.x + log(max(ratio, ${float(NEAR)})) - native;
  float alpha = shares.y * ramp(1.0 - t * table(${SLOPES} + int(bounds.x)))
    - shares.z * (1.0 - ramp(1.0 + t * table(${SLOPES} + int(bounds.y))));
  if (span.x < span.y) {
    float nearest = clamp(t * ${float(1 / Math.LN2)} + uPixelOctaves - ${float(MIP_SHARPNESS)}, span.x, span.y);
    alpha *= ramp((${float(MIP_REACH)} - abs(nearest - shares.w)) * ${float(1 / MIP_FADE)});
  }
  if (alpha <= 0.0) return;
  float opacity = modulated(int(words.z >> 24), alpha);

  vec2 pixel = uLens.yz * point.xy / w + uPicture.xy;
  vec2 slope = (clamp(pixel, ${float(-EDGE)} * uPicture.zw, ${float(1 + EDGE)} * uPicture.zw) - uPicture.xy) * inverseF;
  vec3 first, second, normal;
  ownAxes(vec2(words.y >> 16 & 255u, words.y >> 24), float(words.z & 255u) * ${float(Math.PI / ANGLES)}, first, second, normal);
  mat3 axes = uRotation * mat3(first * lengths.x, second * lengths.y, normal * (${float(THICKNESS)} * exp(native)));
  float scale = frame.w / w;
  vec3 depths = vec3(axes[0].z, axes[1].z, axes[2].z);
  vec3 spreadU = scale * (uLens.y * vec3(axes[0].x, axes[1].x, axes[2].x) - slope.x * depths);
  vec3 spreadV = scale * (uLens.z * vec3(axes[0].y, axes[1].y, axes[2].y) - slope.y * depths);
  vec3 minors = cross(spreadU, spreadV);
  float sharp = dot(minors, minors), xx = dot(spreadU, spreadU), yy = dot(spreadV, spreadV), xy = dot(spreadU, spreadV);
  float blurred = sharp + ${float(BLUR)} * (xx + yy) + ${float(BLUR * BLUR)};
  opacity *= sqrt(sharp / blurred);
  if (opacity <= ${float(MIN_ALPHA)}) return;
  xx += ${float(BLUR)};
  yy += ${float(BLUR)};

  float half_ = 0.5 * (xx - yy), apart = sqrt(half_ * half_ + xy * xy), most = 0.5 * (xx + yy) + apart;
  vec2 along = half_ >= 0.0 ? vec2(half_ + apart, xy) : vec2(xy, apart - half_);
  float size = length(along);
  along = size > 0.0 ? along / size : vec2(1.0, 0.0);
  float reach = sqrt(2.0 * log(opacity * ${float(1 / MIN_ALPHA)}));
  vSigmas = corner * reach;
  vec2 offset = along * (sqrt(most) * vSigmas.x) + vec2(-along.y, along.x) * (sqrt(blurred / most) * vSigmas.y);
  vColor = vec4(vec3(words.w & 255u, words.w >> 8 & 255u, words.w >> 16 & 255u) / 255.0, opacity);
  gl_Position = onScreen(pixel + offset);
}
`;

export const FRAGMENT = `#version 300 es
precision highp float;
in vec2 vSigmas;
flat in vec4 vColor;
out vec4 color;
void main() {
  float alpha = min(${float(MAX_ALPHA)}, vColor.a * exp(-0.5 * dot(vSigmas, vSigmas)));
  if (alpha < ${float(MIN_ALPHA)}) discard;
  color = vec4(vColor.rgb * alpha, alpha);
}
`;
