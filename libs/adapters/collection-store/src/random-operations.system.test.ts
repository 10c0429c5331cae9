import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import type { Collection, Filter, Points } from '@tercet/collection';
import { environment } from '@tercet/testing';
import { CollectionStore } from './collection-store.js';
import type { StoredCollection } from './stored-collection.js';
import { PlainModel } from './testing/plain-model.js';
import { storeOptions, testSpec } from './testing/store-options.js';

/** `TERCET_INDEX_OPERATIONS=200000` in the nightly run. */
const operations = Number(environment.TERCET_INDEX_OPERATIONS ?? 5000);
const seed = Number(environment.TERCET_INDEX_SEED ?? Date.now() % 1_000_000);
const which = { tenant: 'acme', name: testSpec.name };
const colours = ['red', 'green', 'blue'];

test(`${operations} random operations leave what a map would hold (seed ${seed})`, async () => {
  const run = await Run.begin();
  try {
    for (let i = 0; i < operations; i++) await run.step();
    await run.restart();
    await run.compareAll();
  } finally {
    await run.end();
  }
}, 1_800_000);

/** A store, the map that it is compared with, and what is done to both. */
class Run {
  readonly #root = mkdtempSync(join(tmpdir(), 'tercet-random-'));
  readonly #random = new Prng(seed);
  #folder = join(this.#root, '0');
  #lives = 0;
  #store = CollectionStore.open(storeOptions(this.#folder));
  #model = new PlainModel();
  #version = 0;

  static async begin(): Promise<Run> {
    const run = new Run();
    await run.#store.create(which.tenant, testSpec);
    return run;
  }

  async end(): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    rmSync(this.#root, { recursive: true, force: true });
  }

  async step(): Promise<void> {
    const chance = this.#random.nextBelow(1000);
    if (chance < 400) return this.#upsert();
    if (chance < 550) return this.#delete();
    if (chance < 560) return this.#deleteMatching();
    if (chance < 565) return this.#store.use(which, async (collection) => void (await collection.snapshot()));
    if (chance < 568) return this.restart();
    if (chance < 571) return this.#crash();
    if (chance < 575) return this.compareAll();
    return this.#read();
  }

  async restart(): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    this.#store = CollectionStore.open(storeOptions(this.#folder));
    await this.#store.use(which, async () => undefined);
  }

  compareAll(): Promise<void> {
    return this.#with(({ memory }) => {
      expect(stateOf(memory)).toEqual(this.#model.state());
    });
  }

  async #upsert(): Promise<void> {
    const points = this.#points();
    await this.#store.use(which, async (collection) => {
      const receipt = await collection.upsert(points);
      expect(receipt.points).toBe(points.ids.length);
    });
    this.#model.upsert(points);
  }

  async #delete(): Promise<void> {
    const ids = this.#ids();
    const there = ids.filter((id) => this.#model.points.has(id)).length;
    await this.#store.use(which, async (collection) => {
      expect((await collection.delete(ids)).points).toBe(there);
    });
    this.#model.delete(ids);
  }

  async #deleteMatching(): Promise<void> {
    const colour = this.#colour();
    await this.#store.use(which, (collection) => collection.deleteMatching(colourIs(colour)));
    this.#model.delete([...this.#model.points].flatMap(([id, point]) => (point.colour === colour ? [id] : [])));
  }

  /** The process dies while writes are under way: their beginning, in order, may have been made. */
  async #crash(): Promise<void> {
    const writes = Array.from({ length: 4 }, () => this.#points());
    const copy = join(this.#root, String(++this.#lives));
    await this.#store.use(which, async (collection) => {
      const underWay = writes.map((points) => collection.upsert(points));
      for (let turns = this.#random.nextBelow(4); turns > 0; turns--) await new Promise((done) => setImmediate(done));
      cpSync(this.#folder, copy, { recursive: true });
      await Promise.all(underWay);
    });
    await this.#store[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
    this.#folder = copy;
    this.#store = CollectionStore.open(storeOptions(copy));
    const possible = [this.#model];
    for (const points of writes) {
      const next = (possible.at(-1) as PlainModel).copy();
      next.upsert(points);
      possible.push(next);
    }
    await this.#with(({ memory }) => {
      const state = stateOf(memory);
      const found = possible.find((model) => JSON.stringify(model.state()) === JSON.stringify(state));
      if (found === undefined) throw new Error(`a crash left what never was: ${state}`);
      this.#model = found;
    });
  }

  /** Counts, filters and searches see what the map has. */
  #read(): Promise<void> {
    const colour = this.#colour();
    const query = this.#vector();
    const k = 1 + this.#random.nextBelow(8);
    const atLeast = this.#random.nextBelow(this.#version + 1);
    return this.#with(({ memory }) => {
      const recent: Filter = { kind: 'range', field: 'version', atLeast };
      const filter: Filter = { kind: 'and', filters: [colourIs(colour), { kind: 'not', filter: recent }] };
      const passes = (point: { colour: string; version: number }) => point.colour === colour && point.version < atLeast;
      const expected = [...this.#model.points.values()].filter(passes).length;
      expect(memory.count(filter)).toBe(expected);
      const { hits, explanation } = memory.search({ vector: Float32Array.from(query) }, { k, filter });
      expect(explanation.matches).toBe(expected);
      const distances = this.#model.nearest(query, k, passes);
      expect(hits.map(({ score }) => -score)).toEqual(distances.map((distance) => expect.closeTo(distance, 3)));
    });
  }

  async #with(look: (collection: StoredCollection) => void): Promise<void> {
    await this.#store.use(which, async (collection) => look(collection));
  }

  #points(): Points {
    const ids = this.#ids();
    const vectors = Float32Array.from(ids.flatMap(() => this.#vector()));
    const payloads = ids.map(() => {
      return JSON.stringify({ version: ++this.#version, colour: this.#colour(), text: `word${this.#version % 7} and` });
    });
    return { ids, vectors, payloads };
  }

  #ids(): string[] {
    const count = 1 + this.#random.nextBelow(6);
    return [...new Set(Array.from({ length: count }, () => `p${this.#random.nextBelow(300)}`))];
  }

  #vector(): number[] {
    return Array.from({ length: 4 }, () => this.#random.nextBelow(1000));
  }

  #colour(): string {
    return colours[this.#random.nextBelow(colours.length)] as string;
  }
}

function colourIs(colour: string): Filter {
  return { kind: 'in', field: 'colour', values: [colour] };
}

/** All points by scrolling, as the model says its state. */
function stateOf(memory: Collection): string[] {
  const state: string[] = [];
  let after: string | undefined;
  for (;;) {
    const page = memory.scroll({ limit: 50, ...(after === undefined ? {} : { after }) });
    for (const [i, id] of page.points.ids.entries()) {
      const { version } = JSON.parse(page.points.payloads[i] as string) as { version: number };
      state.push(`${id} ${version}`);
    }
    if (page.isLast) return state.toSorted();
    after = page.points.ids.at(-1);
  }
}
