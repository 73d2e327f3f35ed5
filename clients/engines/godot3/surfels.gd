# What a server sends of a world as surfels (PROTOCOL.md, sections 8 and 9), without fades: all is shown at once.
extends Reference

const HEADER = 32
const MOST = 1 << 15
const FLOATS = 16 # of a surfel: four texels
const NO_BOUND = 255

var revision = 0
var camera_seq = 0
var complete = false
var levels = {} # by the hash, in hexadecimal
var shown = {} # by the block


# Obey a delta; what is wrong with it, or nothing.
func take(delta: Dictionary) -> String:
	for each in delta.get("levels", []):
		var level = _level(each)
		if level.empty():
			return "no payload of format 1"
		levels[_key(each.hash)] = level
	for each in delta.get("bounds", []):
		var held = levels.get(_key(each.hash))
		if held != null and not _bound(held, each.bounds):
			return "no bounds"
	if delta.get("anew", false):
		shown = {}
	for each in delta.get("show", []):
		if each.get("residency", 1.0) > 0.0:
			shown[_key(each.block)] = each
		else:
			shown.erase(_key(each.block))
	for hash_ in delta.get("drop", []):
		levels.erase(_key(hash_))
	revision = delta.revision
	camera_seq = delta.get("camera_seq", 0)
	complete = delta.get("complete", false)
	return ""


# Levels that are drawn, each with how.
func drawn() -> Array:
	var found = []
	for level in levels.values():
		var how = shown.get(level.block)
		if how != null and level.number >= how.finest and level.number <= how.coarsest:
			found.append([level, how])
	return found


static func _key(bytes: PoolByteArray) -> String:
	return bytes.hex_encode()


func _level(wire: Dictionary) -> Dictionary:
	var payload = wire.payload
	if payload.size() < HEADER or payload[0] != 1:
		return {}
	var head = StreamPeerBuffer.new()
	head.data_array = payload
	head.seek(4)
	var n = head.get_u32()
	var steps = []
	for _i in range(6):
		steps.append(head.get_float())
	if n < 1 or n > MOST:
		return {}
	var columns = payload.subarray(HEADER, payload.size() - 1).decompress(16 * n, File.COMPRESSION_DEFLATE)
	if columns.size() != 16 * n:
		return {}
	var level = {
		"name": _key(wire.hash), "block": _key(wire.block), "number": wire.level, "cell": wire.cell, "count": n,
		"version": 0, # grows with its bounds
		"texels": _texels(Array(columns), n, (1 << payload[1]) - 1, steps), # 16 floats each
	}
	level["reach"] = _reach(level.texels, n) # 3 of the larger deviation, for the order of drawing
	return level if _bound(level, wire.bounds) else {}


static func _reach(texels: Array, n: int) -> Array:
	var reach = []
	reach.resize(n)
	for i in range(n):
		reach[i] = 3.0 * exp(max(texels[FLOATS * i + 8], texels[FLOATS * i + 9]))
	return reach


# Per surfel: mean, opacity; quaternion; ln sizes, native scale, Li2 of the opacity; 1 / (parent - x), 1 / (x - child), colour,
# room for the number of its block. Arrays: a script reads pool arrays twice as slowly.
func _texels(columns: Array, n: int, most: int, steps: Array) -> Array:
	var texels = []
	texels.resize(FLOATS * n)
	var place = [0, 0, 0]
	var q = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
	var masses = _masses()
	for i in range(n):
		var at = FLOATS * i
		for axis in range(3):
			var folded = columns[axis * n + i] << 8 | columns[(axis + 3) * n + i]
			place[axis] = (place[axis] + ((folded >> 1) ^ -(folded & 1))) & 65535
			texels[at + axis] = (float(place[axis]) / most - 0.5) * 1.002
		for k in range(10):
			q[k] = (q[k] + columns[(6 + k) * n + i]) & 255
		var opacity = max(q[6], 1)
		texels[at + 3] = opacity / 255.0
		var a = 2.0 * q[0] / 255.0 - 1.0
		var b = 2.0 * q[1] / 255.0 - 1.0
		var x = 0.5 * (a + b)
		var y = 0.5 * (a - b)
		var z = 1.0 - abs(x) - abs(y)
		var length = sqrt(x * x + y * y + z * z)
		var l = sqrt(2.0 + 2.0 * z / length)
		var half = q[2] * PI / 256.0
		var c = cos(half)
		var s = sin(half)
		texels[at + 4] = 0.5 * l * c
		texels[at + 5] = (x * s - y * c) / (length * l)
		texels[at + 6] = (x * c + y * s) / (length * l)
		texels[at + 7] = 0.5 * l * s
		texels[at + 8] = steps[0] + steps[1] * q[3]
		texels[at + 9] = steps[2] + steps[3] * q[4]
		texels[at + 10] = steps[4] + steps[5] * q[5]
		texels[at + 11] = masses[opacity]
		texels[at + 14] = float(q[7] | q[8] << 8 | q[9] << 16)
	return texels


func _bound(level: Dictionary, bounds: PoolByteArray) -> bool:
	var n = level.count
	var columns = Array(bounds.decompress(2 * n, File.COMPRESSION_DEFLATE))
	if columns.size() != 2 * n:
		return false
	var texels = level.texels
	var slopes = _slopes()
	for side in range(2):
		var q = 0
		for i in range(n):
			q = (q + columns[side * n + i]) & 255
			texels[FLOATS * i + 12 + side] = slopes[q]
	level.version += 1
	return true


# ---- tables ----
var _known_slopes = []
var _known_masses = []


# 1 / distance of each number of a bound; 0 where there is none.
func _slopes() -> Array:
	if _known_slopes.empty():
		var nearest = 0.5 * log(2.0)
		var step = log(log(1000.0) / nearest) / 254.0
		for q in range(NO_BOUND):
			_known_slopes.append(exp(-step * q) / nearest)
		_known_slopes.append(0.0)
	return _known_slopes


func _masses() -> Array:
	if _known_masses.empty():
		for q in range(256):
			_known_masses.append(li2(min(q / 255.0, 0.9999)))
	return _known_masses


# The dilogarithm of an opacity: its optical mass.
static func li2(opacity: float) -> float:
	var z = 1.0 - opacity if opacity > 0.5 else opacity
	var sum = 0.0
	var power = 1.0
	for k in range(1, 45):
		power *= z
		sum += power / (k * k)
	if opacity <= 0.5:
		return sum
	return PI * PI / 6.0 - log(opacity) * log(1.0 - opacity) - sum
