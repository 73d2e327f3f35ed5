/**
 * What an earlier visit was sent, in the browser's own storage: a page that is opened again says that it has it, and only
 * what is missing comes. A level's name is what it is, for ever, so that nothing here can be out of date but its bounds,
 * which the server patches. Worlds that were not seen for longest make room; without storage nothing is kept.
 *
 * Knows the storage, and neither the network nor the store of blocks.
 */

/** @typedef {import("./blockstore.js").Coming} Coming */
/** @typedef {{coming: Coming, payload: Uint8Array, bounds: Uint8Array}} Kept */
/** @typedef {Coming & {root: string, at: number, payload: Uint8Array, bounds: Uint8Array}} Row */
/** @typedef {{root: string, epoch: string, count: number, bytes: number, used: number}} Visited */

const NAME = "wonderzoom.blocks";
const MOST_BYTES = 256 * 2 ** 20; // of all worlds
const AT_ONCE = 500; // levels of one reading
const LEVEL_BYTES = 300; // of a level, beside its columns

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) => new Promise((done, failed) => {
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
const written = (transaction) => new Promise((done, failed) => {
  transaction.oncomplete = () => done();
  transaction.onabort = transaction.onerror = () => failed(transaction.error);
});

export class BlockCache {
  /** @param {number} [most] bytes */
  constructor(most = MOST_BYTES) {
    this.most = most;
    /** @type {Promise<IDBDatabase | null>} null where the browser keeps nothing */
    this.database = opened();
    /** @type {Visited | null} the world that levels are kept of */
    this.world = null;
    /** @type {Set<string>} hashes of what is kept of it */
    this.kept = new Set();
    this.others = 0; // bytes of other worlds
    /** @type {Row[]} */
    this.waiting = [];
    /** @type {IDBDatabase | null} */
    this.opened = null;
  }

  /**
   * Turns to a world; what is kept of it, as it came, up to a number of surfels. Bounds of another epoch (of the server,
   * which names it) have a revision before all others.
   * @param {string} root the id of its first node @param {string} epoch @param {Set<string>} nodes that it has
   * @param {number} surfels @returns {Promise<Kept[]>}
   */
  async open(root, epoch, nodes, surfels) {
    this.world = null;
    this.kept = new Set();
    this.waiting = [];
    try {
      const database = this.opened = await this.database;
      if (!database) return [];
      const reading = database.transaction(["worlds", "levels"]);
      const worlds = /** @type {Visited[]} */ (await answer(reading.objectStore("worlds").getAll()));
      const levels = reading.objectStore("levels");
      const keys = /** @type {[string, string][]} */ (await answer(levels.getAllKeys(all(root))));
      const known = worlds.find((world) => world.root === root);
      const fresh = known?.epoch === epoch;
      /** @type {Kept[]} */
      const found = [];
      let count = 0;
      for (let after = -1; found.length < keys.length;) {
        const rows = /** @type {Row[]} */ (await answer(levels.index("arrived").getAll(IDBKeyRange.bound([root, after], [root, Infinity], true), AT_ONCE)));
        for (const { root: _root, at: _at, payload, bounds, ...coming } of rows) {
          if (count + coming.count > surfels) break;
          if (!nodes.has(coming.node)) continue;
          count += coming.count;
          found.push({ coming: fresh ? coming : { ...coming, revision: -1 }, payload, bounds });
        }
        if (rows.length < AT_ONCE) break;
        after = rows[rows.length - 1].at;
      }
      this.kept = new Set(keys.map(([, hash]) => hash));
      this.others = worlds.reduce((sum, world) => sum + (world.root === root ? 0 : world.bytes), 0);
      this.world = { root, count: 0, bytes: 0, ...known, epoch, used: Date.now() };
      return found;
    } catch (error) {
      return this.give(error);
    }
  }

  /** A level that has come, to be kept. @param {Coming} coming @param {Uint8Array} payload @param {Uint8Array} bounds */
  keep(coming, payload, bounds) {
    const { world } = this;
    if (!world || this.kept.has(coming.hash)) return;
    this.kept.add(coming.hash);
    world.count += 1;
    world.bytes += payload.length + bounds.length + LEVEL_BYTES;
    // Copies: what comes is a view of a whole message.
    this.waiting.push({ ...coming, root: world.root, at: world.count, payload: payload.slice(), bounds: bounds.slice() });
    if (this.waiting.length === 1) queueMicrotask(() => void this.write());
  }

  /** Begins at once, so that what has come is kept also where the page is closed soon, or busy drawing. */
  async write() {
    const { opened: database, world, waiting } = this;
    this.waiting = [];
    if (!database || !world) return;
    try {
      if (this.others + world.bytes > this.most && !(await this.makeRoom(database, world))) return;
      const transaction = database.transaction(["worlds", "levels"], "readwrite", { durability: "relaxed" });
      for (const row of waiting) transaction.objectStore("levels").put(row);
      transaction.objectStore("worlds").put(world);
      await written(transaction);
    } catch (error) {
      this.give(error);
    }
  }

  /** Forgets the worlds that were not seen for longest; whether there is room then. @param {IDBDatabase} database
   * @param {Visited} world */
  async makeRoom(database, world) {
    const transaction = database.transaction(["worlds", "levels"], "readwrite");
    const worlds = /** @type {Visited[]} */ (await answer(transaction.objectStore("worlds").getAll()));
    const others = worlds.filter(({ root }) => root !== world.root).sort((a, b) => a.used - b.used);
    this.others = others.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { root, bytes } of others) {
      if (this.others + world.bytes <= this.most) break;
      transaction.objectStore("worlds").delete(root);
      transaction.objectStore("levels").delete(all(root));
      this.others -= bytes;
    }
    await written(transaction);
    if (this.others + world.bytes <= this.most) return true;
    this.world = null; // it is too large by itself: what is kept of it stays
    return false;
  }

  /** Nothing more is kept. @param {unknown} error @returns {Kept[]} */
  give(error) {
    console.info(`nothing is kept for the next visit: ${error instanceof Error ? error.message : error}`);
    this.world = null;
    this.waiting = [];
    return [];
  }
}

/** @param {string} root @returns {IDBKeyRange} all levels of a world */
const all = (root) => IDBKeyRange.bound([root], [root, []]);

/** @returns {Promise<IDBDatabase | null>} */
async function opened() {
  try {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("worlds", { keyPath: "root" });
      request.result.createObjectStore("levels", { keyPath: ["root", "hash"] }).createIndex("arrived", ["root", "at"]);
    };
    return await answer(request);
  } catch {
    return null; // a private window, or storage is switched off
  }
}
