/**
 * Messagepack as the protocol uses it: maps with text keys, arrays, text, bytes, booleans, nil, integers that a
 * float64 holds, finite floats. Everything is bounded; whatever else arrives is refused with a MsgpackError.
 *
 * Maps become objects without a prototype, so that a key such as `__proto__` is a key and nothing more. Bytes
 * become views of the message: copy them before they outlive it.
 */

/** What is refused: `message` says what and, when bytes were read, where. */
export class MsgpackError extends Error {}

const MAX_DEPTH = 16; // the deepest message of the protocol has 7 levels
const MAX_ITEMS = 1 << 20; // values of one message: its bytes at least
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/**
 * The value of one message; all of its bytes have to belong to it.
 * @param {Uint8Array} bytes
 * @returns {unknown}
 */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new MsgpackError(`${bytes.length - reader.at} bytes after the message`);
  return value;
}

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /**
   * Skips n bytes and says where they began.
   * @param {number} n
   */
  take(n) {
    if (n > this.bytes.length - this.at) throw new MsgpackError(`the message ends within a value at byte ${this.at}`);
    const start = this.at;
    this.at += n;
    return start;
  }

  /** @param {1 | 2 | 4} size */
  unsigned(size) {
    const at = this.take(size);
    if (size === 1) return this.view.getUint8(at);
    return size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  /** @param {number} n */
  binary(n) {
    const start = this.take(n);
    return this.bytes.subarray(start, start + n);
  }

  /** @param {number} n */
  string(n) {
    try {
      return text.decode(this.binary(n));
    } catch (error) {
      if (error instanceof MsgpackError) throw error;
      throw new MsgpackError(`text that is not UTF-8 before byte ${this.at}`);
    }
  }

  /** @param {number} n @param {number} depth */
  array(n, depth) {
    this.room(n);
    const items = [];
    for (let i = 0; i < n; i++) items.push(this.value(depth + 1));
    return items;
  }

  /** @param {number} n @param {number} depth */
  map(n, depth) {
    this.room(2 * n);
    /** @type {Record<string, unknown>} */
    const fields = Object.create(null);
    for (let i = 0; i < n; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new MsgpackError(`a key that is no text before byte ${this.at}`);
      fields[key] = this.value(depth + 1);
    }
    return fields;
  }

  /** Each item has a byte at least: a count beyond that is refused before anything is made of it.
   * @param {number} n */
  room(n) {
    if (n > this.bytes.length - this.at) throw new MsgpackError(`${n} items in ${this.bytes.length - this.at} bytes`);
  }

  /** @param {number} number */
  finite(number) {
    if (!Number.isFinite(number)) throw new MsgpackError(`a number that is not finite before byte ${this.at}`);
    return number;
  }

  /** @param {bigint} number */
  exact(number) {
    const value = Number(number);
    if (!Number.isSafeInteger(value)) throw new MsgpackError(`an integer beyond 2^53 before byte ${this.at}`);
    return value;
  }

  /** @param {number} depth @returns {unknown} */
  value(depth) {
    if (depth > MAX_DEPTH) throw new MsgpackError(`nested deeper than ${MAX_DEPTH}`);
    const tag = this.unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 15, depth);
    if (tag < 0xa0) return this.array(tag & 15, depth);
    if (tag < 0xc0) return this.string(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.binary(this.unsigned(1));
      case 0xc5: return this.binary(this.unsigned(2));
      case 0xc6: return this.binary(this.unsigned(4));
      case 0xca: return this.finite(this.view.getFloat32(this.take(4)));
      case 0xcb: return this.finite(this.view.getFloat64(this.take(8)));
      case 0xcc: return this.unsigned(1);
      case 0xcd: return this.unsigned(2);
      case 0xce: return this.unsigned(4);
      case 0xcf: return this.exact(this.view.getBigUint64(this.take(8)));
      case 0xd0: return this.view.getInt8(this.take(1));
      case 0xd1: return this.view.getInt16(this.take(2));
      case 0xd2: return this.view.getInt32(this.take(4));
      case 0xd3: return this.exact(this.view.getBigInt64(this.take(8)));
      case 0xd9: return this.string(this.unsigned(1));
      case 0xda: return this.string(this.unsigned(2));
      case 0xdb: return this.string(this.unsigned(4));
      case 0xdc: return this.array(this.unsigned(2), depth);
      case 0xdd: return this.array(this.unsigned(4), depth);
      case 0xde: return this.map(this.unsigned(2), depth);
      case 0xdf: return this.map(this.unsigned(4), depth);
      default: throw new MsgpackError(`a value of kind 0x${tag.toString(16)} at byte ${this.at - 1}`);
    }
  }
}

/**
 * One value as bytes. Whole numbers go out as integers (a peer takes them for floats too), fields that are
 * undefined are left out.
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function encode(value) {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.bytes.slice(0, writer.at);
}

class Writer {
  constructor() {
    this.bytes = new Uint8Array(512);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  /**
   * Makes room for n more bytes and says where they begin.
   * @param {number} n
   */
  grow(n) {
    const start = this.at;
    this.at += n;
    if (this.at > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return start;
  }

  /** @param {number} byte */
  byte(byte) {
    const at = this.grow(1);
    this.bytes[at] = byte;
  }

  /** A tag and a length of 1, 2 or 4 bytes; tag8 is 0 where the format has no such kind.
   * @param {number} n @param {number} tag8 @param {number} tag16 @param {number} tag32 */
  length(n, tag8, tag16, tag32) {
    if (n > MAX_ITEMS) throw new MsgpackError(`${n} items or bytes, of ${MAX_ITEMS} at most`);
    const size = tag8 && n < 256 ? 1 : n < 65536 ? 2 : 4;
    const at = this.grow(1 + size);
    this.view.setUint8(at, size === 1 ? tag8 : size === 2 ? tag16 : tag32);
    if (size === 1) this.view.setUint8(at + 1, n);
    else if (size === 2) this.view.setUint16(at + 1, n);
    else this.view.setUint32(at + 1, n);
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** @param {number} number */
  number(number) {
    if (!Number.isFinite(number)) throw new MsgpackError(`${number} is not finite`);
    if (!Number.isSafeInteger(number) || Object.is(number, -0)) {
      const at = this.grow(9);
      this.view.setUint8(at, 0xcb);
      this.view.setFloat64(at + 1, number);
    } else if (number >= -32 && number < 128) {
      this.byte(number & 255);
    } else if (number >= -(2 ** 31) && number < 2 ** 31) {
      const at = this.grow(5);
      this.view.setUint8(at, 0xd2);
      this.view.setInt32(at + 1, number);
    } else {
      const at = this.grow(9);
      this.view.setUint8(at, 0xd3);
      this.view.setBigInt64(at + 1, BigInt(number));
    }
  }

  /** @param {unknown} value @param {number} depth */
  value(value, depth) {
    if (depth > MAX_DEPTH) throw new MsgpackError(`nested deeper than ${MAX_DEPTH}`);
    if (value === null) this.byte(0xc0);
    else if (typeof value === "boolean") this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "string") {
      const encoded = utf8.encode(value);
      if (encoded.length < 32) this.byte(0xa0 | encoded.length);
      else this.length(encoded.length, 0xd9, 0xda, 0xdb);
      this.raw(encoded);
    } else if (value instanceof Uint8Array) {
      this.length(value.length, 0xc4, 0xc5, 0xc6);
      this.raw(value);
    } else if (Array.isArray(value)) {
      if (value.length < 16) this.byte(0x90 | value.length);
      else this.length(value.length, 0, 0xdc, 0xdd);
      for (const item of value) this.value(item, depth + 1);
    } else if (typeof value === "object") {
      const fields = Object.entries(value).filter(([, field]) => field !== undefined);
      if (fields.length < 16) this.byte(0x80 | fields.length);
      else this.length(fields.length, 0, 0xde, 0xdf);
      for (const [key, field] of fields) {
        this.value(key, depth + 1);
        this.value(field, depth + 1);
      }
    } else throw new MsgpackError(`a ${typeof value} has no form as bytes`);
  }
}
