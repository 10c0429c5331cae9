import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { wire } from '@tercet/contracts';
import fc from 'fast-check';
import { FactJournal } from './fact-journal.js';
import { PodFacts } from './pod-facts.js';
import { Reading } from './testing.js';

const { ROLE_ENCODE, ROLE_PREFILL } = wire.Role;
const roles = [ROLE_PREFILL, ROLE_ENCODE];

/** One stream, to where the journal is now. */
async function read(journal: FactJournal, facts: PodFacts): Promise<void> {
  facts.pause();
  for (const message of await new Reading(journal, facts.place).all()) facts.apply(message);
}

describe('PodFacts', () => {
  test('counts the leading blocks that are stored, and no block after one that is not', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole({ role: ROLE_PREFILL, epoch: 1n });
    journal.changePrefixes({ stored: [1, 2, 4], evicted: [] });
    const facts = new PodFacts({ keysMax: 10 });
    await read(journal, facts);
    expect([[1, 2, 3, 4], [1, 2], [9, 1], []].map((blocks) => facts.storedBlocks(blocks))).toEqual([2, 2, 0, 0]);
    expect([facts.hasMedia(1), facts.keyCount]).toEqual([false, { prefixBlocks: 3, media: 0 }]);
  });

  test('is of the role and epoch that were told, and of no other', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole({ role: ROLE_ENCODE, epoch: 3n });
    journal.changeMedia({ stored: [5], evicted: [] });
    const facts = new PodFacts({ keysMax: 10 });
    expect(facts.isOf({ role: wire.Role.ROLE_UNSPECIFIED, epoch: 0n })).toBe(false);
    await read(journal, facts);
    const isOf = (role: wire.Role, epoch: bigint) => facts.isOf({ role, epoch });
    expect([isOf(ROLE_ENCODE, 3n), isOf(ROLE_ENCODE, 4n), isOf(ROLE_PREFILL, 3n)]).toEqual([true, false, false]);
    expect(facts.hasMedia(5)).toBe(true);
  });

  test('while the stream is broken nothing counts; once it goes on, all of it does again', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole({ role: ROLE_PREFILL, epoch: 1n });
    journal.changePrefixes({ stored: [1], evicted: [] });
    const facts = new PodFacts({ keysMax: 10 });
    await read(journal, facts);
    facts.pause();
    expect([facts.storedBlocks([1]), facts.isOf({ role: ROLE_PREFILL, epoch: 1n })]).toEqual([0, false]);
    await read(journal, facts);
    expect([facts.storedBlocks([1]), journal.resyncs.first, journal.resyncs.expired]).toEqual([1, 1, 0]);
  });

  test('beyond its maximum the oldest blocks are forgotten, which counts as not stored', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole({ role: ROLE_PREFILL, epoch: 1n });
    journal.changePrefixes({ stored: [1, 2, 3, 4, 5], evicted: [] });
    const facts = new PodFacts({ keysMax: 3 });
    await read(journal, facts);
    expect(facts.keyCount.prefixBlocks).toBe(3);
    expect([facts.storedBlocks([1, 2]), facts.storedBlocks([3, 4, 5])]).toEqual([0, 3]);
    journal.changePrefixes({ stored: [6], evicted: [1, 4] });
    await read(journal, facts);
    expect([facts.keyCount.prefixBlocks, facts.storedBlocks([3, 5, 6])]).toEqual([3, 3]);
  });

  test('a message without a body that it knows is a gap', () => {
    const facts = new PodFacts({ keysMax: 3 });
    expect(facts.apply(wire.FactsMessage.fromPartial({ generation: 1n, sequence: 1n }))).toBe('gap');
  });

  test('whatever is lost, doubled or exchanged on the way, what it believes was true at its place', () =>
    fc.assert(
      fc.asyncProperty(fc.commands(commands(), { maxCommands: 120, size: 'max' }), fc.nat(), async (script, seed) => {
        const setup = () => ({ model: new Truth(), real: new Line(seed) });
        await fc.asyncModelRun(setup, script);
      }),
      { numRuns: 150 },
    ));
});

/** What the worker has at any place of its journal: the obvious model. */
class Truth {
  role = ROLE_PREFILL;
  epoch = 1n;
  prefixes = new Set<number>();
  media = new Set<number>();
  readonly #at = new Map<string, string>();

  /** Of the caches, what serves the role. */
  get now(): string {
    const { role, epoch, prefixes, media } = this;
    const [blocks, tiles] = role === ROLE_PREFILL ? [prefixes, new Set<number>()] : [new Set<number>(), media];
    return JSON.stringify([role, Number(epoch), sorted(blocks), sorted(tiles)]);
  }

  remember(place: string, says = this.now): void {
    this.#at.set(place, says);
  }

  at(place: string): string | undefined {
    return this.#at.get(place);
  }
}

/** A worker's journal and a router's facts, with a wire between them that does what it likes. */
class Line {
  journal = new FactJournal({ generation: 1n, keptKeysMax: 12, messageKeysMax: 100 });
  readonly facts = new PodFacts({ keysMax: 1000 });
  readonly prng: Prng;
  inFlight: wire.FactsMessage[] = [];
  #reading: Reading | undefined;
  #generation = 1n;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.journal.setRole({ role: ROLE_PREFILL, epoch: 1n });
  }

  /** A new process: a journal that knows nothing. */
  async restart(): Promise<void> {
    await this.#hangUp();
    this.journal = new FactJournal({ generation: ++this.#generation, keptKeysMax: 12, messageKeysMax: 100 });
  }

  /** Of the journal, after so many more messages. */
  placeAfter(messages = 0n): string {
    return `${this.#generation} ${this.journal.sequence + messages}`;
  }

  /** Takes so many messages from the worker; they are on their way then. */
  async send(count: number): Promise<void> {
    this.#reading ??= new Reading(this.journal, this.facts.place);
    for (let sent = 0; sent < count; sent++) {
      const message = await this.#reading.tryNext();
      if (message !== undefined) this.inFlight.push(message);
    }
  }

  async arrive(count: number): Promise<void> {
    for (const message of this.inFlight.splice(0, count)) {
      if (this.facts.apply(message) === 'gap') await this.breakOff();
    }
  }

  async breakOff(): Promise<void> {
    this.facts.pause();
    await this.#hangUp();
  }

  async #hangUp(): Promise<void> {
    await this.#reading?.end();
    this.#reading = undefined;
    this.inFlight = [];
  }

  /** What the router believes, in the form of the truth; `undefined` when it knows that it knows nothing. */
  believed(): { readonly place: string; readonly says: string } | undefined {
    const { facts } = this;
    const found = roles.flatMap((role) => epochs.map((epoch) => ({ role, epoch }))).find((of) => facts.isOf(of));
    if (found === undefined) return undefined;
    const blocks = keys.filter((key) => facts.storedBlocks([key]) === 1);
    const tiles = keys.filter((key) => facts.hasMedia(key));
    const { generation, sequence } = facts.place;
    return {
      place: `${generation} ${sequence}`,
      says: JSON.stringify([found.role, Number(found.epoch), blocks, tiles]),
    };
  }
}

const keys = Array.from({ length: 12 }, (_, i) => i);
const epochs = Array.from({ length: 130 }, (_, i) => BigInt(i));

type Command = fc.AsyncCommand<Truth, Line>;

function command(name: string, run: (truth: Truth, line: Line) => Promise<void> | void): Command {
  return {
    check: () => true,
    async run(truth, line) {
      await run(truth, line);
      truth.remember(line.placeAfter());
      const believed = line.believed();
      if (believed !== undefined) expect(believed.says).toBe(truth.at(believed.place));
    },
    toString: () => name,
  };
}

function commands(): fc.Arbitrary<Command>[] {
  const some = fc.uniqueArray(fc.constantFrom(...keys), { maxLength: 5 });
  const change = (kind: Kind) =>
    some.map((touched) => command(`${kind} ${touched}`, (truth, line) => turn(truth, line, { kind, touched })));
  const role = fc.constantFrom(...roles).map((next) =>
    command(`role ${next}`, (truth, line) => {
      truth.role = next;
      truth.epoch++;
      // What the new role has follows in a message of its own.
      truth.remember(line.placeAfter(1n), JSON.stringify([next, Number(truth.epoch), [], []]));
      line.journal.setRole({ role: next, epoch: truth.epoch });
    }),
  );
  const restart = fc.constant(
    command('restart', async (truth, line) => {
      await line.restart();
      line.facts.pause();
      truth.prefixes.clear();
      truth.media.clear();
      line.journal.setRole({ role: truth.role, epoch: truth.epoch });
    }),
  );
  const count = fc.integer({ min: 1, max: 4 });
  return [
    change('prefixes'),
    change('media'),
    role,
    restart,
    count.map((n) => command(`send ${n}`, (_, line) => line.send(n))),
    count.map((n) => command(`arrive ${n}`, (_, line) => line.arrive(n))),
    fc.constant(
      command('lose', (_, { inFlight, prng }) => void inFlight.splice(prng.nextBelow(inFlight.length + 1), 1)),
    ),
    fc.constant(command('exchange', (_, { inFlight }) => void inFlight.push(...inFlight.splice(-2, 1)))),
    fc.constant(command('double', (_, { inFlight }) => void inFlight.push(...inFlight.slice(-1)))),
    fc.constant(command('break off', (_, line) => line.breakOff())),
    fc.constant(
      command('settle', async (truth, line) => {
        // That a message was lost shows at the next one.
        for (const kind of ['prefixes', 'media'] as const) turn(truth, line, { kind, touched: [0] });
        truth.remember(line.placeAfter());
        for (let round = 0; round < 3; round++) {
          await line.arrive(100);
          await line.send(100);
        }
        await line.arrive(100);
        expect(line.believed()?.says).toBe(truth.now);
      }),
    ),
  ];
}

type Kind = 'prefixes' | 'media';

/** Stores those of the keys that are not there, and evicts the others. */
function turn(truth: Truth, { journal }: Line, { kind, touched }: { kind: Kind; touched: readonly number[] }): void {
  const evicted = touched.filter((key) => truth[kind].has(key));
  const stored = touched.filter((key) => !truth[kind].has(key));
  for (const key of evicted) truth[kind].delete(key);
  for (const key of stored) truth[kind].add(key);
  if (kind === 'prefixes') journal.changePrefixes({ stored, evicted });
  else journal.changeMedia({ stored, evicted });
}

function sorted(keysOf: ReadonlySet<number>): number[] {
  return [...keysOf].toSorted((a, b) => a - b);
}
