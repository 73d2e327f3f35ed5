// The golden vectors of the protocol, read and written by the page's own codec.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { MsgpackError, decode, encode } from "../../../clients/web/msgpack.js";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url)));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

/** As the vectors write values: bytes as {bin: hex}, plain objects. */
function plain(value) {
  if (value instanceof Uint8Array) return { bin: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

for (const side of ["from_client", "from_server"]) {
  for (const { name, message, hex } of vectors(side)) {
    test(`${side}: ${name}, both ways`, () => {
      const value = decode(bytes(hex));
      assert.deepEqual(plain(value), message);
      assert.deepEqual(plain(decode(encode(value))), message);
    });
  }
}

// What is wrong as bytes, or has no form in the page; the rest is wrong as a message, which its reader judges.
const wrongBytes = {
  from_client: new Set([
    "nothing", "half a message", "two messages", "nested a thousand deep", "a list that claims 4 billion",
    "a map that claims 4 billion", "bytes that claim 4 GB", "text that is no UTF-8", "an extension type",
    "a camera of NaN", "a quaternion of NaN", "an infinite camera", "a sequence number of 2^60", "a zoom of NaN",
    "NaN frames a second", "a bias of NaN", "an ack of frame 2^53", "decoded in NaN milliseconds", "a pick at NaN",
    "a bookmark at NaN",
  ]),
  from_server: new Set([
    "nothing", "half a message", "two messages", "nested a thousand deep", "a list that claims 4 billion",
    "bytes that claim 4 GB", "text that is no UTF-8", "revision 2^53", "a clock of NaN", "a node magnified by NaN",
    "a first camera of NaN", "encoded in NaN milliseconds", "a place at NaN", "an infinite depth",
    "somebody who looks from NaN", "stats of NaN", "a background of NaN", "bounds of revision 2^53",
    "a block replaced by NaN", "led to NaN", "depth in steps of NaN",
  ]),
};
for (const [side, wrong] of Object.entries(wrongBytes)) {
  const invalid = vectors(`invalid_${side}`);
  for (const { name, hex } of invalid) {
    if (wrong.has(name)) test(`refused ${side}: ${name}`, () => assert.throws(() => decode(bytes(hex)), MsgpackError));
    else test(`read ${side}, for others to refuse: ${name}`, () => assert.doesNotThrow(() => decode(bytes(hex))));
  }
  test(`every vector ${side} that is wrong as bytes was there`, () => {
    assert.deepEqual([...wrong].filter((name) => !invalid.some((each) => each.name === name)), []);
  });
}

for (const [name, hex] of [
  ["NaN", "cb7ff8000000000000"],
  ["infinity", "ca7f800000"],
  ["2^53", "cf0020000000000000"],
  ["-2^63", "d38000000000000000"],
  ["text that is not UTF-8", "a1ff"],
  ["an extension", "d40100"],
  ["a key that is a number", "810101"],
  ["four thousand million items", "ddffffffff"],
  ["four thousand million bytes", "c6ffffffff"],
]) {
  test(`refused: ${name}`, () => assert.throws(() => decode(bytes(hex)), MsgpackError));
}

test("numbers, text and bytes of every length survive", () => {
  for (const power of [5, 7, 8, 15, 16, 31, 32, 53]) {
    for (const off of [-1, 0, 1]) {
      for (const sign of [-1, 1]) {
        const number = sign * (2 ** power + off);
        if (Number.isSafeInteger(number)) assert.equal(decode(encode(number)), number);
      }
    }
  }
  for (const n of [0, 1, 31, 32, 255, 256, 65535, 65536]) {
    assert.equal(decode(encode("é".repeat(n))), "é".repeat(n));
    assert.deepEqual(decode(encode(new Uint8Array(n).fill(7))), new Uint8Array(n).fill(7));
    assert.deepEqual(decode(encode(Array(n).fill(1))), Array(n).fill(1));
  }
  assert.ok(Object.is(decode(encode(-0)), -0));
});

test("what has no form is refused, what is undefined is left out", () => {
  for (const value of [NaN, Infinity, 1n, undefined, () => 0]) assert.throws(() => encode(value), MsgpackError);
  assert.deepEqual(plain(decode(encode({ a: 1, b: undefined }))), { a: 1 });
});

test("a key such as __proto__ is a key", () => {
  const value = decode(bytes("81a95f5f70726f746f5f5f81a17801"));
  assert.equal(value.x, undefined);
  assert.deepEqual(Object.keys(value), ["__proto__"]);
});
