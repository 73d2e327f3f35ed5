# A world's surfels in Godot 3 (GLES3: textures of floats). By environment variables:
#   WONDERZOOM_LINK     a link as the server prints it; or
#   WONDERZOOM_SCENE    scene.json of the conformance pack
#   WONDERZOOM_FACTOR   ask for content so many times finer in the middle of the first view, and look at that
#   WONDERZOOM_PICTURE  save what is seen then as a PNG, and leave
# Drag to orbit, the wheel zooms, Z asks for finer content where one looks.
extends Node2D

const BUDGET = 20000 # surfels: a script takes some 10 us for each whenever the camera has moved
const FRAMES = 3 # after which a picture is on the screen

var _msgpack = preload("res://msgpack.gd").new()
var _lens = preload("res://lens.gd")
var _surfels = preload("res://surfels.gd").new()
var _canvas = preload("res://canvas.gd").new()
var _socket: WebSocketClient
var _link: String
var _welcome = {}
var _camera = {}
var _seq = 0
var _zooms = 0
var _factor = 1.0 # of a zoom that is to be asked for
var _awaited = 0 # revision that a picture has to show
var _stale = false
var _drawn = -1 # frames since the picture is whole


func _ready() -> void:
	add_child(_canvas)
	if OS.get_environment("WONDERZOOM_FACTOR") != "":
		_factor = float(OS.get_environment("WONDERZOOM_FACTOR"))
	var scene = OS.get_environment("WONDERZOOM_SCENE")
	_link = OS.get_environment("WONDERZOOM_LINK")
	if scene != "":
		_conformance(scene)
	elif _link != "":
		_connect()
	else:
		_end("set WONDERZOOM_SCENE or WONDERZOOM_LINK")


func _end(message: String, code: int = 1) -> void:
	print(message)
	get_tree().quit(code)


func _conformance(path: String) -> void:
	var file = File.new()
	if file.open(path, File.READ) != OK:
		_end("no such file: " + path)
		return
	var told = JSON.parse(file.get_as_text()).result.messages
	_welcome = _msgpack.decode(_hex(told.welcome))
	_camera = _msgpack.decode(_hex(told.camera)).cameras[0]
	var wrong = _surfels.take(_msgpack.decode(_hex(told.surfels)))
	if wrong != "":
		_end(wrong)
		return
	_enter()
	_stale = true


static func _hex(text: String) -> PoolByteArray:
	var bytes = PoolByteArray()
	for i in range(text.length() / 2):
		bytes.append(("0x" + text.substr(2 * i, 2)).hex_to_int())
	return bytes


func _enter() -> void:
	var ground = _welcome.get("background", [0.0, 0.0, 0.0])
	VisualServer.set_default_clear_color(Color(ground[0], ground[1], ground[2]))


# ---- a server ----
func _connect() -> void:
	var parts = _link.split("#")
	_socket = WebSocketClient.new()
	_socket.set_buffers(2048, 64, 128, 64) # kB and messages, in and out
	for name in ["connection_closed", "connection_error"]:
		_socket.connect(name, self, "_closed")
	_socket.connect("connection_established", self, "_established")
	_socket.connect("data_received", self, "_received")
	var address = parts[0].replace("http", "ws").rstrip("/") + "/ws"
	if _socket.connect_to_url(address, PoolStringArray(["wonderzoom.v1"])) != OK:
		_end("no address: " + address)


func _closed(_clean = false) -> void:
	_end("the connection has ended")


func _say(message: Dictionary) -> void:
	var peer = _socket.get_peer(1)
	peer.set_write_mode(WebSocketPeer.WRITE_MODE_BINARY)
	peer.put_packet(_msgpack.encode(message))


func _established(_protocol) -> void:
	var token = _link.split("#token=")
	var hello = {"type": "hello", "protocol": [1, 1], "client": "godot3", "surfel_formats": [1]}
	if token.size() > 1:
		hello["token"] = token[1]
	_say(hello)


func _received() -> void:
	while _socket.get_peer(1).get_available_packet_count() > 0:
		var message = _msgpack.decode(_socket.get_peer(1).get_packet())
		match message.get("type", ""):
			"welcome":
				_welcome = message
				_enter()
				_camera = _resized(message.camera)
				_say({"type": "configure", "stream": "surfels", "surfel_budget": BUDGET})
				_look()
			"surfels":
				var wrong = _surfels.take(message)
				if wrong != "":
					_end(wrong)
					return
				_say({"type": "ack", "delta": message.delta})
				_stale = true
			"zoom_status":
				print("zoom ", message.state)
				if message.state == "committed":
					_awaited = message.revision
					_stale = true
				elif message.state == "failed" or message.state == "cancelled":
					_awaited = 0
					_stale = true
			"error", "bye":
				print(message.get("message", message.get("reason", "")))


func _look() -> void:
	_seq += 1
	_say({"type": "camera", "seq": _seq, "cameras": [_camera]})
	_stale = true


func _resized(camera: Dictionary) -> Dictionary:
	var size = get_viewport().size
	var ratio = min(size.x, size.y) / min(camera.width, camera.height)
	camera.cx = 0.5 * size.x + (camera.cx - 0.5 * camera.width) * ratio
	camera.cy = 0.5 * size.y + (camera.cy - 0.5 * camera.height) * ratio
	for name in ["ln_fx", "ln_fy"]:
		camera[name] += log(ratio)
	camera.width = int(size.x)
	camera.height = int(size.y)
	return camera


# ---- hands ----
func _unhandled_input(event: InputEvent) -> void:
	if _seq == 0:
		return
	if event is InputEventMouseButton and event.pressed and event.button_index in [BUTTON_WHEEL_UP, BUTTON_WHEEL_DOWN]:
		var step = log(1.15) * (1.0 if event.button_index == BUTTON_WHEEL_UP else -1.0)
		_closer(step)
	elif event is InputEventMouseMotion and event.button_mask & BUTTON_MASK_LEFT:
		_orbit(event.relative.x / 300.0, -event.relative.y / 300.0)
		_look()
	elif event is InputEventKey and event.pressed and event.scancode == KEY_Z and not event.echo:
		_ask()


func _closer(step: float) -> void:
	for name in ["ln_fx", "ln_fy"]:
		_camera[name] += step
	_look()


func _ask() -> void:
	_zooms += 1
	_say({"type": "zoom", "request": "z%d" % _zooms, "camera": _camera})


# A turn about the pivot, in camera axes; Quat has 32 bits, so that numbers are taken one by one.
func _orbit(yaw: float, pitch: float) -> void:
	var a = [cos(pitch / 2) * cos(yaw / 2), sin(pitch / 2) * cos(yaw / 2), cos(pitch / 2) * sin(yaw / 2), sin(pitch / 2) * sin(yaw / 2)]
	var b = _camera.quat
	var q = [
		a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
		a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
		a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
		a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
	]
	var length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
	for i in range(4):
		q[i] /= length
	_camera.quat = q


# ---- frames ----
func _process(_seconds: float) -> void:
	if _socket != null:
		_socket.poll()
	if _welcome.empty():
		return
	if _stale:
		_stale = false
		var lens = _lens.new(_camera, _welcome.h_ref)
		var count = _canvas.show_levels(_surfels.drawn(), lens, _welcome.get("metric", "depth") == "radial")
		_drawn = -1
		if _surfels.complete and _surfels.camera_seq >= _seq and _surfels.revision >= _awaited:
			print(count, " surfels, revision ", _surfels.revision)
			if _factor > 1.0:
				_closer(log(_factor))
				_ask()
				_factor = 1.0
				_awaited = 1 << 53
			else:
				_drawn = 0
	elif _drawn >= 0:
		_drawn += 1
		if _drawn == FRAMES and OS.get_environment("WONDERZOOM_PICTURE") != "":
			_save(OS.get_environment("WONDERZOOM_PICTURE"))


func _save(path: String) -> void:
	var image = get_viewport().get_texture().get_data()
	image.flip_y()
	image.convert(Image.FORMAT_RGB8)
	if image.save_png(path) == OK:
		_end("saved", 0)
	else:
		_end("not saved: " + path)
