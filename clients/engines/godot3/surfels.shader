// Surfels as section 9 of PROTOCOL.md says, in pixels of the canvas: 2D, as Godot converts no colours there.
shader_type canvas_item;
render_mode unshaded, blend_premul_alpha;

uniform sampler2D order; // surfels, far to near
uniform sampler2D surfels;
uniform sampler2D blocks;
uniform sampler2D inverse_masses; // of TABLE equal steps
uniform vec2 order_size;
uniform vec2 surfels_size;
uniform float blocks_count;
uniform float first; // of the order, for this page
uniform float count;
uniform mat4 rotation; // world to camera
uniform vec3 lens; // 1 / f, fx / f, fy / f
uniform bool radial;
uniform vec4 picture; // principal point, size
uniform float pixel_octaves;

varying vec2 sigmas;
varying vec4 paint;

float ramp(float value) {
	return clamp(value, 0.0, 1.0);
}

vec4 texel(sampler2D from, vec2 size, float at) {
	float row = floor((at + 0.5) / size.x);
	return textureLod(from, (vec2(at - row * size.x, row) + 0.5) / size, 0.0);
}

float modulated(float opacity, float mass, float weight) {
	if (weight >= 1.0) {
		return min(opacity, 0.9999);
	}
	float at = weight * mass * (1023.0 / 1.6439129843);
	float i = min(floor(at), 1022.0);
	return mix(texel(inverse_masses, vec2(1024.0, 1.0), i).x, texel(inverse_masses, vec2(1024.0, 1.0), i + 1.0).x, at - i);
}

mat3 turn(vec4 q) { // w x y z
	return mat3(
		vec3(1.0 - 2.0 * (q.z * q.z + q.w * q.w), 2.0 * (q.y * q.z + q.x * q.w), 2.0 * (q.y * q.w - q.x * q.z)),
		vec3(2.0 * (q.y * q.z - q.x * q.w), 1.0 - 2.0 * (q.y * q.y + q.w * q.w), 2.0 * (q.z * q.w + q.x * q.y)),
		vec3(2.0 * (q.y * q.w + q.x * q.z), 2.0 * (q.z * q.w - q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z)));
}

void vertex() {
	vec2 corner = VERTEX;
	float at = first + UV.x;
	VERTEX = vec2(-1e6);
	sigmas = vec2(0.0);
	paint = vec4(0.0);
	if (at < count) {
		float surfel = 4.0 * texel(order, order_size, at).x;
		vec4 place = texel(surfels, surfels_size, surfel);
		vec4 quat = texel(surfels, surfels_size, surfel + 1.0);
		vec4 sizes = texel(surfels, surfels_size, surfel + 2.0);
		vec4 fades = texel(surfels, surfels_size, surfel + 3.0);
		float block = 4.0 * fades.w;
		vec4 frame = texel(blocks, vec2(4.0, blocks_count), block); // origin, edge
		vec4 shares = texel(blocks, vec2(4.0, blocks_count), block + 1.0); // scale, R, R_child, level
		vec4 span = texel(blocks, vec2(4.0, blocks_count), block + 2.0); // finest, coarsest
		mat3 turned = mat3(rotation);
		vec3 point = turned * (place.xyz * frame.w) + frame.xyz;
		float w = 1.0 + point.z * lens.x;
		vec2 lengths = exp(sizes.xy);
		float weight = 0.0;
		if (w >= 1.0 / 128.0 && w >= 3.0 * max(lengths.x, lengths.y) * frame.w * lens.x) {
			float ratio = radial ? max(1.0 / 128.0, length(vec3(point.xy * lens.x, w))) : w;
			float t = shares.x + log(ratio) - sizes.z; // r - x
			weight = ramp(shares.y * ramp(1.0 - t * fades.x) - shares.z * (1.0 - ramp(1.0 + t * fades.y)));
			if (span.x < span.y) {
				float near = clamp(t / log(2.0) + pixel_octaves - 0.5, span.x, span.y);
				weight *= ramp(8.0 * (0.5625 - abs(near - shares.w)));
			}
		}
		if (weight > 0.0) {
			vec2 pixel = lens.yz * point.xy / w + picture.xy;
			vec2 slope = (clamp(pixel, -0.15 * picture.zw, 1.15 * picture.zw) - picture.xy) * lens.x;
			mat3 axes = turned * turn(quat);
			vec3 own = vec3(lengths, 0.02 * exp(sizes.z)) * (frame.w / w);
			vec3 depths = vec3(axes[0].z, axes[1].z, axes[2].z);
			vec3 spread_u = own * (lens.y * vec3(axes[0].x, axes[1].x, axes[2].x) - slope.x * depths);
			vec3 spread_v = own * (lens.z * vec3(axes[0].y, axes[1].y, axes[2].y) - slope.y * depths);
			vec3 minors = cross(spread_u, spread_v);
			float sharp = dot(minors, minors);
			float xx = dot(spread_u, spread_u);
			float yy = dot(spread_v, spread_v);
			float xy = dot(spread_u, spread_v);
			float blurred = sharp + 0.1 * (xx + yy) + 0.01;
			float opacity = modulated(place.w, sizes.w, weight) * sqrt(sharp / blurred);
			if (opacity > 1.0 / 255.0) {
				float half_ = 0.5 * (xx - yy);
				float apart = sqrt(half_ * half_ + xy * xy);
				float most = 0.5 * (xx + yy) + 0.1 + apart;
				vec2 along = half_ >= 0.0 ? vec2(half_ + apart, xy) : vec2(xy, apart - half_);
				along = dot(along, along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
				sigmas = corner * sqrt(2.0 * log(opacity * 255.0));
				VERTEX = pixel + along * (sqrt(most) * sigmas.x) + vec2(-along.y, along.x) * (sqrt(blurred / most) * sigmas.y);
				float blue = floor(fades.z / 65536.0);
				float green = floor((fades.z - 65536.0 * blue) / 256.0);
				paint = vec4(vec3(fades.z - 65536.0 * blue - 256.0 * green, green, blue) / 255.0, opacity);
			}
		}
	}
}

void fragment() {
	float alpha = min(0.99, paint.a * exp(-0.5 * dot(sigmas, sigmas)));
	if (alpha < 1.0 / 255.0) {
		discard;
	}
	COLOR = vec4(paint.rgb * alpha, alpha);
}
