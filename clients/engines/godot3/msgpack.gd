# MessagePack, as far as WonderZoom's protocol uses it: nil, bool, int, float, String, PoolByteArray, Array, Dictionary.
extends Reference

var _in: StreamPeerBuffer


# A message: one map; an empty one where the bytes are none.
func decode(bytes: PoolByteArray) -> Dictionary:
	_in = StreamPeerBuffer.new()
	_in.big_endian = true
	_in.data_array = bytes
	var value = _value()
	if value is Dictionary:
		return value
	return {}


func encode(message: Dictionary) -> PoolByteArray:
	var out = StreamPeerBuffer.new()
	out.big_endian = true
	_write(out, message)
	return out.data_array


func _value():
	var type = _in.get_u8()
	if type < 0x80:
		return type
	if type < 0x90:
		return _fields(type & 15)
	if type < 0xa0:
		return _items(type & 15)
	if type < 0xc0:
		return _text(type & 31)
	if type >= 0xe0:
		return type - 256
	match type:
		0xc0:
			return null
		0xc2:
			return false
		0xc3:
			return true
		0xc4:
			return _bytes(_in.get_u8())
		0xc5:
			return _bytes(_in.get_u16())
		0xc6:
			return _bytes(_in.get_u32())
		0xca:
			return _in.get_float()
		0xcb:
			return _in.get_double()
		0xcc:
			return _in.get_u8()
		0xcd:
			return _in.get_u16()
		0xce:
			return _in.get_u32()
		0xcf:
			return _in.get_u64()
		0xd0:
			return _in.get_8()
		0xd1:
			return _in.get_16()
		0xd2:
			return _in.get_32()
		0xd3:
			return _in.get_64()
		0xd9:
			return _text(_in.get_u8())
		0xda:
			return _text(_in.get_u16())
		0xdb:
			return _text(_in.get_u32())
		0xdc:
			return _items(_in.get_u16())
		0xdd:
			return _items(_in.get_u32())
		0xde:
			return _fields(_in.get_u16())
		0xdf:
			return _fields(_in.get_u32())
	push_error("a type that the protocol does not use: %x" % type)
	return null


func _left() -> int:
	return _in.get_size() - _in.get_position()


func _bytes(count: int) -> PoolByteArray:
	if count == 0 or count > _left():
		return PoolByteArray()
	return _in.get_data(count)[1]


func _text(count: int) -> String:
	return _bytes(count).get_string_from_utf8()


func _items(count: int) -> Array:
	var items = []
	while items.size() < count and _left() > 0:
		items.append(_value())
	return items


func _fields(count: int) -> Dictionary:
	var fields = {}
	for _i in range(count):
		if _left() == 0:
			break
		var name = _value()
		fields[name] = _value()
	return fields


func _write(out: StreamPeerBuffer, value) -> void:
	match typeof(value):
		TYPE_NIL:
			out.put_u8(0xc0)
		TYPE_BOOL:
			out.put_u8(0xc3 if value else 0xc2)
		TYPE_INT:
			if value >= 0 and value < 128:
				out.put_u8(value)
			else:
				out.put_u8(0xd3)
				out.put_64(value)
		TYPE_REAL:
			out.put_u8(0xcb)
			out.put_double(value)
		TYPE_STRING:
			var text = value.to_utf8()
			out.put_u8(0xda)
			out.put_u16(text.size())
			out.put_data(text)
		TYPE_RAW_ARRAY:
			out.put_u8(0xc5)
			out.put_u16(value.size())
			out.put_data(value)
		TYPE_ARRAY:
			out.put_u8(0xdc)
			out.put_u16(value.size())
			for item in value:
				_write(out, item)
		TYPE_DICTIONARY:
			out.put_u8(0xde)
			out.put_u16(value.size())
			for name in value:
				_write(out, name)
				_write(out, value[name])
