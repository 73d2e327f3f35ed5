# Draws levels of surfels as one list, far to near: pages of quads in 2D, whose corners the shader places.
extends Node2D

const PAGE = 16384 # quads of a page
const WIDTH = 1024 # texels a row
const TABLE = 1024
const LI2_MAX = 1.6439129843 # of 0.9999
const INDEX_BITS = 20 # of the number of a surfel, below the key

var _surfels = preload("res://surfels.gd")
var _shader = preload("res://surfels.shader")
var _pages = []
var _firsts = {} # of each level, by its dictionary's hash: where its surfels begin
var _held = 0 # hash of what is in the texture
var _inputs = {}


func _ready() -> void:
	var table = PoolRealArray()
	var opacity = 0.0
	for i in range(TABLE):
		var mass = LI2_MAX * i / (TABLE - 1)
		for _k in range(5): # Newton, from the one before
			var slope = -log(1.0 - opacity) / opacity if opacity > 1e-9 else 1.0
			opacity = clamp(opacity - (_surfels.li2(opacity) - mass) / slope, 0.0, 0.9999)
		table.append(opacity)
	_inputs["inverse_masses"] = _texture(table, TABLE, 1)


# Draw these from now on; how many surfels that is.
func show_levels(drawn: Array, lens, radial: bool) -> int:
	_hold(drawn)
	var blocks = PoolRealArray()
	var sorted = []
	for b in range(drawn.size()):
		var level = drawn[b][0]
		var how = drawn[b][1]
		var frame = lens.frame_of(level.cell)
		blocks.append_array(PoolRealArray([
			frame[0], frame[1], frame[2], frame[3],
			frame[4], how.get("residency", 1.0), how.get("child_residency", 0.0), level.number,
			how.finest, how.coarsest, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
		]))
		_sort_in(level, frame, lens, sorted)
	sorted.sort()
	var order = []
	order.resize(sorted.size())
	for i in range(sorted.size()):
		order[i] = float(sorted[i] & ((1 << INDEX_BITS) - 1))
	_inputs["order"] = _texture(PoolRealArray(order), WIDTH, 1)
	_inputs["order_size"] = _inputs["order"].get_size()
	_inputs["blocks"] = _texture(blocks, 4, 4)
	_inputs["blocks_count"] = float(blocks.size() / 16)
	_inputs["count"] = float(sorted.size())
	var m = lens.rotation
	var basis = Basis(Vector3(m[0], m[3], m[6]), Vector3(m[1], m[4], m[7]), Vector3(m[2], m[5], m[8]))
	_inputs["rotation"] = Transform(basis, Vector3())
	_inputs["lens"] = Vector3(lens.inverse_f, lens.ax, lens.ay)
	_inputs["radial"] = radial
	var camera = lens.camera
	_inputs["picture"] = Plane(camera.cx, camera.cy, camera.width, camera.height)
	_inputs["pixel_octaves"] = -lens.pixel() / log(2.0)
	while _pages.size() * PAGE < sorted.size():
		_pages.append(_page(_pages.size()))
	for page in _pages:
		for name in _inputs:
			page.material.set_shader_param(name, _inputs[name])
	return sorted.size()


# Surfels of all levels in one texture, made anew when they are others.
func _hold(drawn: Array) -> void:
	var levels = []
	var names = []
	for each in drawn:
		levels.append(each[0])
		names.append([each[0].name, each[0].version])
	if names.hash() == _held:
		return
	_held = names.hash()
	_firsts = {}
	var rows = PoolRealArray()
	for b in range(levels.size()):
		var texels = levels[b].texels
		for i in range(levels[b].count):
			texels[16 * i + 15] = float(b)
		_firsts[levels[b].name] = rows.size() / 16
		rows.append_array(PoolRealArray(texels))
	_inputs["surfels"] = _texture(rows, WIDTH, 4)
	_inputs["surfels_size"] = _inputs["surfels"].get_size()


# Keys, far to near, as whole numbers with the number of the surfel below them: the engine sorts those quickly.
func _sort_in(level: Dictionary, frame: Array, lens, sorted: Array) -> void:
	var texels = level.texels
	var reach = level.reach
	var x = -4096.0 * lens.rotation[6] * frame[3]
	var y = -4096.0 * lens.rotation[7] * frame[3]
	var z = -4096.0 * lens.rotation[8] * frame[3]
	var low = -4096.0 * frame[2]
	var size = -4096.0 * frame[3]
	var first = _firsts[level.name]
	for i in range(level.count):
		var at = 16 * i
		var key = x * texels[at] + y * texels[at + 1] + z * texels[at + 2] + low + size * reach[i]
		sorted.append((int(clamp(key, -4e12, 4e12)) << INDEX_BITS) | (first + i))


# A texture of floats, `channels` a texel, one texel at least.
func _texture(values: PoolRealArray, width: int, channels: int) -> ImageTexture:
	var height = max(1, (values.size() / channels + width - 1) / width)
	var data = var2bytes(values).subarray(8, -1) if values.size() > 0 else PoolByteArray() # behind type and size
	data.resize(4 * channels * width * height)
	var image = Image.new()
	image.create_from_data(width, height, false, Image.FORMAT_RF if channels == 1 else Image.FORMAT_RGBAF, data)
	var texture = ImageTexture.new()
	texture.create_from_image(image, 0) # no filter, no repetition
	return texture


func _page(number: int) -> MeshInstance2D:
	var corners = PoolVector3Array()
	var places = PoolVector2Array()
	var indices = PoolIntArray()
	for i in range(PAGE):
		for corner in [Vector3(-1, -1, 0), Vector3(1, -1, 0), Vector3(-1, 1, 0), Vector3(1, 1, 0)]:
			corners.append(corner)
			places.append(Vector2(i, 0))
		for k in [0, 1, 2, 2, 1, 3]:
			indices.append(4 * i + k)
	var arrays = []
	arrays.resize(Mesh.ARRAY_MAX)
	arrays[Mesh.ARRAY_VERTEX] = corners
	arrays[Mesh.ARRAY_TEX_UV] = places
	arrays[Mesh.ARRAY_INDEX] = indices
	var page = MeshInstance2D.new()
	page.mesh = ArrayMesh.new()
	page.mesh.add_surface_from_arrays(Mesh.PRIMITIVE_TRIANGLES, arrays, [], 0) # nothing compressed: places are exact
	page.material = ShaderMaterial.new()
	page.material.shader = _shader
	page.material.set_shader_param("first", float(number * PAGE))
	add_child(page)
	return page
