// What surfels cost the page in JavaScript: reading blocks, culling and sorting them. `node benchmarks/page_surfels.mjs`
import { readFileSync } from "node:fs";

import { CHILD, NATIVE, OPACITY, Order, PAGE, PARENT, SIGMA, X, Y, Z, makePage } from "../clients/web/culling.js";
import { Sorter } from "../clients/web/sorter.js";

const LENS = {
  rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], inverseF: 1 / 500, ax: 1, ay: 1, cx: 640, cy: 360, width: 1280, height: 720,
  pixelOctaves: 0, radial: false,
};
const SIDE = 64; // surfels across a block

/** A wall of blocks whose middle is in the picture. @param {number} surfels */
function wall(surfels) {
  const blocks = Math.ceil(surfels / SIDE ** 2);
  const columns = Math.ceil(Math.sqrt((blocks * 16) / 9));
  return Array.from({ length: blocks }, (_, b) => {
    const pages = [];
    for (let first = 0; first < SIDE ** 2; first += PAGE) {
      pages.push(makePage(b * SIDE ** 2 + first, PAGE, (data) => {
        for (let i = 0; i < PAGE; i++) {
          const [column, row] = [(first + i) % SIDE, Math.floor((first + i) / SIDE)];
          data[X + i] = (column + 0.5) / SIDE - 0.5;
          data[Y + i] = (row + 0.5) / SIDE - 0.5;
          data[Z + i] = 0.1 * Math.sin(column * row);
          data[SIGMA + i] = 0.7 / SIDE;
          data[NATIVE + i] = -Math.log(SIDE);
          data[PARENT + i] = data[CHILD + i] = 1;
          data[OPACITY + i] = 0.9;
        }
      }));
    }
    const size = 1400 / columns;
    const origin = [((b % columns) + 0.5) * size - 700, (Math.floor(b / columns) + 0.5) * size - 400, 0];
    const shares = { residency: 1, below: 1, level: 0, finest: 0, coarsest: 0 };
    return { pages, frame: { origin, edge: size, scale: -Math.log(SIDE) }, shares };
  });
}

/** Milliseconds of CPU that something takes: other programs do not count. @param {() => unknown} act */
async function cpu(act) {
  const begun = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

/** @param {number[]} times */
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

console.log("| surfels | drawn | cull and sort, CPU ms |\n|---:|---:|---:|");
for (const surfels of [65_536, 262_144, 1_048_576]) {
  const blocks = wall(surfels);
  const order = new Order();
  const times = [];
  for (let i = 0; i < 15; i++) times.push(await cpu(() => order.of(blocks, LENS, 0)));
  console.log(`| ${surfels} | ${order.count} | ${median(times).toFixed(1)} |`);
}

const vectors = JSON.parse(readFileSync(new URL("../protocol/vectors/surfel_blocks.json", import.meta.url), "utf8"));
const { payload, bounds, count } = vectors[vectors.length - 1];
const [a, b] = [payload, bounds].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
const sorter = new Sorter();
const pages = Array.from({ length: Math.ceil(count / PAGE) }, (_, k) => k);
const whole = await cpu(async () => {
  for (let i = 0; i < 300; i++) await sorter.take({ type: "block", block: i, pages, payload: a, bounds: b });
});
console.log(`\nreading a block of ${count} surfels: ${(whole / 300).toFixed(2)} CPU ms`);
