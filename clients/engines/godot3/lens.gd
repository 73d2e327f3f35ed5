# A camera of the protocol, and where it sees cells of any depth (PROTOCOL.md, section 4). Numbers are GDScript's 64-bit
# floats; a Vector3 has 32 bits only, so that none is used before everything is of the size of the picture.
extends Reference

const LIMB = 24 # bits: sums and shifts of such limbs fit into 64
const MASK = 0xffffff

var camera: Dictionary
var rotation: Array # world to camera, row by row
var inverse_f: float
var ax: float
var ay: float
var h_ref: float


func _init(pose: Dictionary, short_side: float) -> void:
	camera = pose
	h_ref = short_side
	var ln_f = 0.5 * (pose.ln_fx + pose.ln_fy)
	inverse_f = exp(-ln_f) if ln_f < 690.0 else 0.0
	ax = exp(pose.ln_fx - ln_f)
	ay = exp(pose.ln_fy - ln_f)
	rotation = matrix(pose.quat[0], pose.quat[1], pose.quat[2], pose.quat[3])


static func matrix(w: float, x: float, y: float, z: float) -> Array:
	var s = 2.0 / (w * w + x * x + y * y + z * z)
	return [
		1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
		s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x),
		s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y),
	]


# ln of what a pixel of the reference's short side is larger than one of ours.
func pixel() -> float:
	return log(min(camera.width, camera.height) / h_ref)


# [origin x, y, z, edge, scale]: P = edge R p + origin, in pixels at the pivot; r = scale + ln w.
func frame_of(cell: Dictionary) -> Array:
	var pivot = camera.pivot.cell
	var ln_scale = camera.ln_distance - 0.5 * (camera.ln_fx + camera.ln_fy)
	var pixels = exp(clamp(-pivot.level * log(2.0) - ln_scale, -690.0, 690.0))
	var from = []
	for axis in range(3):
		var name = ["x", "y", "z"][axis]
		var centre = _difference(cell[name], cell.level, pivot[name], pivot.level)
		from.append((centre - camera.pivot.offset[axis]) * pixels)
	var frame = []
	for row in range(3):
		frame.append(rotation[3 * row] * from[0] + rotation[3 * row + 1] * from[1] + rotation[3 * row + 2] * from[2])
	frame.append(pixels * pow(2.0, clamp(pivot.level - cell.level, -1000, 1000)))
	frame.append(ln_scale + pixel() + cell.level * log(2.0))
	return frame


# From the low corner of a cell `other` to the centre of a cell, along one axis, in edges of the other: exact integers in
# half edges of the finer one, rounded once.
static func _difference(index: PoolByteArray, level: int, other: PoolByteArray, other_level: int) -> float:
	var finest = max(level, other_level)
	var shift = finest - level
	var count = int(8 * max(index.size(), other.size()) + abs(level - other_level)) / LIMB + 3
	var mine = _limbs(index, shift + 1, count)
	var theirs = _limbs(other, finest - other_level + 1, count)
	var found = []
	var carry = 0
	for i in range(count):
		var half = 1 << (shift % LIMB) if i == shift / LIMB else 0
		var sum = mine[i] + half - theirs[i] + carry
		found.append(sum & MASK)
		carry = sum >> LIMB
	var sign_ = 1.0
	if found[count - 1] & 0x800000:
		sign_ = -1.0
		carry = 1
		for i in range(count):
			var sum = (found[i] ^ MASK) + carry
			found[i] = sum & MASK
			carry = sum >> LIMB
	var top = count - 1
	while top > 0 and found[top] == 0:
		top -= 1
	var value = 0.0
	for i in range(top, max(-1, top - 4), -1):
		value += found[i] * pow(2.0, LIMB * (i - top))
	return sign_ * value * pow(2.0, clamp(LIMB * top + other_level - finest - 1, -1000, 1000))


# A two's complement, big-endian number, shifted to the left, as limbs from low to high.
static func _limbs(bytes: PoolByteArray, shift: int, count: int) -> Array:
	var limbs = []
	var whole = shift / LIMB
	var rest = shift % LIMB
	for i in range(count):
		limbs.append(((_limb(bytes, i - whole) << rest) | (_limb(bytes, i - whole - 1) >> (LIMB - rest))) & MASK)
	return limbs


static func _limb(bytes: PoolByteArray, i: int) -> int:
	if i < 0:
		return 0
	var value = 0
	for k in range(3):
		var at = bytes.size() - 1 - 3 * i - k
		var part = bytes[at] if at >= 0 else (255 if bytes[0] > 127 else 0)
		value |= part << (8 * k)
	return value
