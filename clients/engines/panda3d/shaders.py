"""The shaders that draw surfels, GLSL 3.30: section 9 of ``PROTOCOL.md`` for four corners of each surfel.

Nothing of it is Panda3D's own but the name of the output: what it reads are four buffer textures and a few uniforms, so
that it can be carried over to any engine whose vertex shaders read buffers. What the texels hold is in ``packing``.
"""

from __future__ import annotations

from wonderzoom.scene_graph.scales import (
    LI2_MAX,
    LI2_TABLE_SIZE,
    MAX_OPACITY,
    MIP_FADE,
    MIP_REACH,
    MIP_SHARPNESS,
)

PAGE = 1024  # quads of one instance: an instance for each surfel would idle most of a graphics card

_CONSTANTS = {
    "PAGE": PAGE,
    "TABLE_STEPS": LI2_TABLE_SIZE - 1,
    "MAX_MASS": LI2_MAX,
    "MAX_OPACITY": MAX_OPACITY,
    "MIP_SHARPNESS": MIP_SHARPNESS,
    "MIP_REACH": MIP_REACH,
    "MIP_FADE": MIP_FADE,
    "BLUR": 0.1,  # px^2, added to both variances
    "MIN_ALPHA": 1.0 / 255.0,
    "MAX_ALPHA": 0.99,
    "EDGE": 0.15,  # sizes of the picture that the Jacobian follows a surfel beyond its rim
    "NEAR": 1.0 / 128.0,  # depth, in D
    "THICKNESS": 0.02,  # native pixels
}
_HEAD = "#version 330\n" + "".join(
    f"const {'int' if isinstance(value, int) else 'float'} {name} = {value!r};\n"
    for name, value in _CONSTANTS.items()
)

VERTEX = (
    _HEAD
    + """
uniform isamplerBuffer order; // surfel and drawn block, far to near
uniform samplerBuffer surfels, blocks, masses;
uniform int count;
uniform mat4 rotation; // world to camera
uniform vec4 lens; // 1 / f, fx / f, fy / f, whether scales are radial
uniform vec4 picture; // principal point, size, pixels
uniform vec2 scales; // lod bias, and ln of what a pixel of h_ref is larger than one of ours
out vec2 sigmas;
flat out vec4 paint;

float ramp(float value) { return clamp(value, 0.0, 1.0); }

float modulated(float opacity, float mass, float weight) {
  if (weight >= 1.0) return min(opacity, MAX_OPACITY);
  float at = weight * mass * (float(TABLE_STEPS) / MAX_MASS);
  int i = min(int(at), TABLE_STEPS - 1);
  return mix(texelFetch(masses, i).x, texelFetch(masses, i + 1).x, at - float(i));
}

mat3 turn(vec4 q) { // w x y z
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return mat3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
              2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
              2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
}

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // nowhere
  sigmas = vec2(0.0);
  paint = vec4(0.0);
  int at = gl_InstanceID * PAGE + gl_VertexID / 4;
  if (at >= count) return;
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1 & 1) * 2.0 - 1.0;
  ivec2 which = texelFetch(order, at).xy;
  vec4 place = texelFetch(surfels, 4 * which.x), quat = texelFetch(surfels, 4 * which.x + 1);
  vec4 sizes = texelFetch(surfels, 4 * which.x + 2), fades = texelFetch(surfels, 4 * which.x + 3);
  vec4 frame = texelFetch(blocks, 3 * which.y); // origin, edge
  vec4 shares = texelFetch(blocks, 3 * which.y + 1); // scale, R, R_child, level
  vec4 span = texelFetch(blocks, 3 * which.y + 2); // finest, coarsest

  float inverse_f = lens.x;
  mat3 turned = mat3(rotation);
  vec3 point = turned * (place.xyz * frame.w) + frame.xyz;
  float w = 1.0 + point.z * inverse_f;
  vec2 lengths = exp(sizes.xy);
  if (w < NEAR || w < 3.0 * max(lengths.x, lengths.y) * frame.w * inverse_f) return;

  float ratio = lens.w > 0.0 ? max(NEAR, length(vec3(point.xy * inverse_f, w))) : w;
  float t = shares.x + log(ratio) - sizes.z; // r - x without lod bias
  float r = t + scales.x;
  float weight = ramp(shares.y * ramp(1.0 - r * fades.x) - shares.z * (1.0 - ramp(1.0 + r * fades.y)));
  if (span.x < span.y) {
    float near = clamp((t + scales.y) / log(2.0) - MIP_SHARPNESS, span.x, span.y);
    weight *= ramp((MIP_REACH - abs(near - shares.w)) / MIP_FADE);
  }
  if (weight <= 0.0) return;
  float opacity = modulated(place.w, sizes.w, weight);

  vec2 pixel = lens.yz * point.xy / w + picture.xy;
  vec2 slope = (clamp(pixel, -EDGE * picture.zw, (1.0 + EDGE) * picture.zw) - picture.xy) * inverse_f;
  mat3 axes = turned * turn(quat);
  axes[0] *= lengths.x;
  axes[1] *= lengths.y;
  axes[2] *= THICKNESS * exp(sizes.z);
  vec3 depths = vec3(axes[0].z, axes[1].z, axes[2].z);
  vec3 spread_u = frame.w / w * (lens.y * vec3(axes[0].x, axes[1].x, axes[2].x) - slope.x * depths);
  vec3 spread_v = frame.w / w * (lens.z * vec3(axes[0].y, axes[1].y, axes[2].y) - slope.y * depths);
  vec3 minors = cross(spread_u, spread_v); // their squares sum to the determinant: nothing cancels for thin splats
  float sharp = dot(minors, minors), xx = dot(spread_u, spread_u), yy = dot(spread_v, spread_v);
  float xy = dot(spread_u, spread_v), blurred = sharp + BLUR * (xx + yy) + BLUR * BLUR;
  opacity *= sqrt(sharp / blurred);
  if (opacity <= MIN_ALPHA) return;

  float half_ = 0.5 * (xx - yy), apart = sqrt(half_ * half_ + xy * xy), most = 0.5 * (xx + yy) + BLUR + apart;
  vec2 along = half_ >= 0.0 ? vec2(half_ + apart, xy) : vec2(xy, apart - half_);
  along = dot(along, along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
  sigmas = corner * sqrt(2.0 * log(opacity / MIN_ALPHA));
  pixel += along * (sqrt(most) * sigmas.x) + vec2(-along.y, along.x) * (sqrt(blurred / most) * sigmas.y);
  int color = int(fades.z);
  paint = vec4(vec3(color & 255, color >> 8 & 255, color >> 16 & 255) / 255.0, opacity);
  gl_Position = vec4(2.0 * pixel.x / picture.z - 1.0, 1.0 - 2.0 * pixel.y / picture.w, 0.0, 1.0);
}
"""
)

FRAGMENT = (
    _HEAD
    + """
in vec2 sigmas;
flat in vec4 paint;
out vec4 p3d_FragColor;

void main() {
  float alpha = min(MAX_ALPHA, paint.a * exp(-0.5 * dot(sigmas, sigmas)));
  if (alpha < MIN_ALPHA) discard;
  p3d_FragColor = vec4(paint.rgb * alpha, alpha); // premultiplied, sRGB as it is
}
"""
)
