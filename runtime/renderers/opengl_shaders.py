"""GLSL of the OpenGL renderer: a vertex shader that weighs and projects a surfel, and what blends or lists it.

The symbols and the formulas are those of ``projection.project_block`` and ``cpu_kernels.project``; positions come
relative to their chunk's centre, which the CPU has found in float64. Surfels are drawn as quads around their
ellipse, a few dozen of them in an instance: an instance for each would leave most of a graphics card idle.
"""

from __future__ import annotations

from wonderzoom.runtime.renderers.packing_kernels import CHUNK
from wonderzoom.runtime.renderers.projection import (
    BLUR,
    MAX_ALPHA,
    MIN_ALPHA,
    NEAR_SIGMAS,
)
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR

QUADS = 64  # surfels in one instance
SURFEL_TEXELS = 4  # RGBA32 texels of a packed surfel
CHUNK_TEXELS = 4  # ... of a chunk as a camera sees it, the last one spare
LARGE_TEXELS = 4  # ... of a surfel that was projected in float64
ROW_TEXELS = 4096  # width of every table; a row holds whole chunks of surfels
LARGE_BIT = 1 << 31  # of an entry of the order: a row of the table of large surfels, not (chunk, row)

# Textures, in this order.
TABLES = ("surfels", "order", "chunks", "large", "opacities")

_TABLE = f"""
ivec2 place(int texel) {{ return ivec2(texel % {ROW_TEXELS}, texel / {ROW_TEXELS}); }}
"""

_VERTEX = f"""
uniform usampler2D surfels;  // x y z opacity | first axis, mass | second axis, native | slopes, colour, thickness
uniform usampler2D order;  // front to back: chunk {CHUNK} + row, or a large surfel
uniform sampler2D chunks;  // centre, w | edge, r, R, R_child | level, finest, coarsest, slab
uniform sampler2D large;  // mean, aa, ab | bb, log2 opacity, zeta, - | red, green, blue, - | box
uniform sampler2D opacities;  // the inverse of Li2
uniform int count;
uniform mat3 rotation;  // rows x, y, z of the view in cell axes, as columns
uniform float inverse_f;
uniform vec2 aspect;
uniform vec2 centre;  // of the picture: the principal point
uniform vec4 followed;  // u and v between which the Jacobian follows a surfel, from the principal point
uniform vec2 size;
uniform float octaves_more;  // by which a pixel is larger than the one of r
uniform bool radial, weighted, optical;

flat out vec2 mean;  // pixels
flat out vec3 conic;  // log2 of the Gaussian = conic . (dx dx, dx dy, dy dy)
flat out vec4 shade;  // colour and log2 of the opacity
flat out float zeta;
flat out uint rank;  // front to back

const float LN2 = 0.6931471805599453;
const float HALF_LOG2E = 0.7213475204444817;
const float WIDE = 2048.0;  // pixels: beyond, a quad is cut to the picture instead of turned with its ellipse
{_TABLE}
vec4 large_texel(int row, int texel) {{ return texelFetch(large, place(row * {LARGE_TEXELS} + texel), 0); }}
vec4 chunk_texel(int k, int texel) {{ return texelFetch(chunks, place(k * {CHUNK_TEXELS} + texel), 0); }}

// The opacity that is left of a mass; linear between entries, like every other renderer.
float of_mass(float mass) {{
    float at = mass * {(scales.LI2_TABLE_SIZE - 1) / scales.LI2_MAX!r};
    int step = int(at);
    float low = texelFetch(opacities, place(step), 0).r, high = texelFetch(opacities, place(step + 1), 0).r;
    return low + (at - float(step)) * (high - low);
}}

vec2 corner() {{ return vec2(float(gl_VertexID & 1), float((gl_VertexID >> 1) & 1)) * 2.0 - 1.0; }}

void put(vec2 at) {{
#ifdef IDS
    if ((gl_VertexID & 3) == 0) atomicAdd(drawn, 1u);
#endif
    gl_Position = vec4(2.0 * at / size - 1.0, 0.0, 1.0);
}}

void put_large(int row) {{
    vec4 a = large_texel(row, 0), b = large_texel(row, 1), box = large_texel(row, 3);
    mean = a.xy;
    conic = vec3(a.z, a.w, b.x);
    shade = vec4(large_texel(row, 2).rgb, b.y);
    zeta = b.z;
    put(mix(box.xz, box.yw + 1.0, 0.5 * corner() + 0.5));
}}

void main() {{
    gl_Position = vec4(0.0, 0.0, 2.0, 1.0);  // outside: nothing is drawn unless all goes well
    mean = vec2(0.0); conic = vec3(0.0); shade = vec4(0.0); zeta = 0.0;
    int number = gl_InstanceID * {QUADS} + (gl_VertexID >> 2);
    rank = uint(count - 1 - number);  // the farthest first
    if (number >= count) return;
    uint entry = texelFetch(order, place(int(rank)), 0).r;
    if ((entry & {LARGE_BIT}u) != 0u) {{
        put_large(int(entry & {LARGE_BIT - 1}u));
        return;
    }}
    int k = int(entry) / {CHUNK};
    vec4 c0 = chunk_texel(k, 0), c1 = chunk_texel(k, 1), c2 = chunk_texel(k, 2);
    int texel = (int(c2.w) * {CHUNK} + int(entry) % {CHUNK}) * {SURFEL_TEXELS};
    uvec4 s0 = texelFetch(surfels, place(texel), 0), s1 = texelFetch(surfels, place(texel + 1), 0);
    uvec4 s2 = texelFetch(surfels, place(texel + 2), 0), s3 = texelFetch(surfels, place(texel + 3), 0);
    vec3 first = uintBitsToFloat(s1.xyz), second = uintBitsToFloat(s2.xyz);
    float edge = c1.x, native = uintBitsToFloat(s2.w);

    vec3 relative = (uintBitsToFloat(s0.xyz) * rotation) * edge;
    vec3 p = c0.xyz + relative;
    float w = c0.w + relative.z * inverse_f;
    float sigma = max(length(first), length(second)) * edge;
    if (w < {NEAR!r} || w < {NEAR_SIGMAS!r} * sigma * inverse_f) return;

    // Eq. 3 with both residencies, and the share of this level of its pyramid.
    vec2 across = p.xy * inverse_f;
    float depth = radial ? sqrt(w * w + dot(across, across)) : w;
    float finer = log(depth) + c1.y - native;
    float fade = c1.z * clamp(finer * uintBitsToFloat(s3.x), 0.0, 1.0)
        + c1.w * clamp(-finer * uintBitsToFloat(s3.y), 0.0, 1.0);
    float weight = max(c1.z - (weighted ? fade : 0.0), 0.0);
    float octaves = clamp(finer / LN2 + octaves_more, c2.y, c2.z);
    weight *= clamp(({scales.MIP_REACH!r} - abs(octaves - c2.x)) / {scales.MIP_FADE!r}, 0.0, 1.0);
    float opacity = uintBitsToFloat(s0.w);
    if (weight < 1.0) opacity = optical ? of_mass(weight * uintBitsToFloat(s1.w)) : weight * opacity;

    // The ellipse: three axes on the screen, blurred, as opaque as before.
    vec2 from = aspect * p.xy / w;
    vec2 slope = clamp(from, followed.xy, followed.zw) * inverse_f;
    vec3 a = (first * rotation) * edge, b = (second * rotation) * edge;
    vec3 n = cross(a, b) * (uintBitsToFloat(s3.w) / edge);
    vec2 sa = (aspect * a.xy - slope * a.z) / w, sb = (aspect * b.xy - slope * b.z) / w;
    vec2 sn = (aspect * n.xy - slope * n.z) / w;
    float xx = sa.x * sa.x + sb.x * sb.x + sn.x * sn.x;
    float xy = sa.x * sa.y + sb.x * sb.y + sn.x * sn.y;
    float yy = sa.y * sa.y + sb.y * sb.y + sn.y * sn.y;
    float ab = sa.x * sb.y - sa.y * sb.x, an = sa.x * sn.y - sa.y * sn.x, bn = sb.x * sn.y - sb.y * sn.x;
    float sharp = ab * ab + an * an + bn * bn;  // Cauchy-Binet: the determinant without cancellation
    float blurred = sharp + {BLUR!r} * (xx + yy) + {BLUR * BLUR!r};
    xx += {BLUR!r};
    yy += {BLUR!r};
    opacity *= sqrt(sharp / blurred);
    if (opacity <= {MIN_ALPHA!r}) return;
    float reach = sqrt(2.0 * log(opacity / {MIN_ALPHA!r}));  // standard deviations
    mean = from + centre;
    vec2 extent = reach * sqrt(vec2(xx, yy));
    // Columns and rows whose centres it may touch: none, and it is not drawn.
    vec2 low = max(ceil(mean - extent - 0.5), 0.0), high = min(floor(mean + extent - 0.5), size - 1.0);
    if (any(greaterThan(low, high))) return;

    conic = vec3(-yy, 2.0 * xy, -xx) * (HALF_LOG2E / blurred);
    uint rgb = s3.z;
    shade = vec4(vec3(rgb & 255u, (rgb >> 8) & 255u, (rgb >> 16) & 255u) / 255.0, log2(opacity));
    zeta = p.z;
    vec2 at = mix(low, high + 1.0, 0.5 * corner() + 0.5);
    if (max(extent.x, extent.y) < WIDE) {{
        float middle = 0.5 * (xx + yy), half_difference = 0.5 * (xx - yy);
        float longest = middle + sqrt(half_difference * half_difference + xy * xy);
        float shortest = blurred / longest;  // not the other root: that cancels
        vec2 along = xx >= yy ? vec2(longest - yy, xy) : vec2(xy, longest - xx);
        float norm = length(along);
        along = norm > 0.0 ? along / norm : vec2(1.0, 0.0);
        vec2 ends = corner() * (reach * sqrt(vec2(longest, shortest)) * 1.01 + 0.02);
        at = mean + along * ends.x + vec2(-along.y, along.x) * ends.y;
    }}
    put(at);
}}
"""

_FALLOFF = f"""
flat in vec2 mean;
flat in vec3 conic;
flat in vec4 shade;
flat in float zeta;
flat in uint rank;

// Alpha at this pixel; 0 below a step of an 8-bit picture.
float alpha_here() {{
    vec2 d = gl_FragCoord.xy - mean;
    float alpha = min(exp2(shade.a + dot(conic, vec3(d.x * d.x, d.x * d.y, d.y * d.y))), {MAX_ALPHA!r});
    return alpha < {MIN_ALPHA!r} ? 0.0 : alpha;
}}
"""

_COLOR = """
layout(location = 0) out vec4 shown;
void main() {
    float alpha = alpha_here();
    if (alpha == 0.0) discard;
    shown = vec4(shade.rgb * alpha, alpha);
}
"""

_LAYERS = """
layout(location = 0) out vec4 shown;
layout(location = 1) out vec4 depth;
void main() {
    float alpha = alpha_here();
    if (alpha == 0.0) discard;
    shown = vec4(shade.rgb * alpha, alpha);
    depth = vec4(zeta * alpha, 0.0, 0.0, alpha);
}
"""

# What each pixel meets: triples (pixel, rank, bits of alpha). ``met`` counts on when there is no more room.
_MEETINGS = """
layout(std430, binding = 0) buffer Meetings { uint met; uint drawn; uint room; uint spare; uint meetings[]; };
"""

_LIST = """
uniform int columns;
void main() {
    float alpha = alpha_here();
    if (alpha == 0.0) discard;
    uint at = atomicAdd(met, 1u);
    if (at >= room) discard;
    meetings[3u * at] = uint(gl_FragCoord.y) * uint(columns) + uint(gl_FragCoord.x);
    meetings[3u * at + 1u] = rank;
    meetings[3u * at + 2u] = floatBitsToUint(alpha);
}
"""

COLOR = (f"#version 330 core\n{_VERTEX}", f"#version 330 core\n{_FALLOFF}{_COLOR}")
LAYERS = (f"#version 330 core\n{_VERTEX}", f"#version 330 core\n{_FALLOFF}{_LAYERS}")
MEETINGS = (
    f"#version 430 core\n#define IDS\n{_MEETINGS}{_VERTEX}",
    f"#version 430 core\n{_MEETINGS}{_FALLOFF}{_LIST}",
)

# A texture as it is, over the whole of what is drawn to; in one triangle.
FINISH = (
    """#version 330 core
void main() { gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }
""",
    """#version 330 core
uniform sampler2D blended;
out vec4 finished;
void main() { finished = vec4(texelFetch(blended, ivec2(gl_FragCoord.xy), 0).rgb, 1.0); }
""",
)
