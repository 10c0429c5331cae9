import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Clock, ManualClock } from '@tercet/base';
import { PostgresDatabase, SqlControlStore, SqliteDatabase } from '@tercet/control-store';
import { type ControlStore, type Job, MemoryControlStore, newJob, validated } from '@tercet/jobs';
import { MemoryKeyStore, unlimited } from '@tercet/tenancy';
import { needs, PrivatePostgres } from '@tercet/testing';
import fc from 'fast-check';
import { fileOf, lineOf, piecesOf, wholeOf } from './control-store-data.js';
import { storeCommands } from './control-store-model.js';
import { bringsOlder, refusesNewer } from './control-store-versions.js';
import { keyStoreContract, sharedKeyStoreContract } from './key-store-contract.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-store-'));
const systemClock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
const limits = { underWayMax: 1000 };
let ids = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('in memory', () => {
  controlStoreContract(async () => new MemoryControlStore(new ManualClock(1)));
  keyStoreContract(async () => ({ keys: new MemoryKeyStore(), [Symbol.asyncDispose]: async () => undefined }));
});

describe('node:sqlite', () => {
  const path = () => join(folder, `${ids++}.db`);
  const open = (file: string) => SqlControlStore.open(SqliteDatabase.open({ path: file, clock: new ManualClock(1) }));
  const openNew = async () => {
    const file = path();
    return () => open(file);
  };
  controlStoreContract(() => open(path()));
  sharedStoreContract(openNew);
  keyStoreContract(() => open(path()));
  sharedKeyStoreContract(openNew);
  const newDatabase = (clock: Clock = new ManualClock(1)) => {
    const file = path();
    return () => SqliteDatabase.open({ path: file, clock });
  };
  presenceContract(async () => {
    const connect = newDatabase(systemClock);
    return () => SqlControlStore.open(connect());
  });
  refusesNewer(newDatabase);
  bringsOlder(newDatabase);

  test('only its user may read the file', async () => {
    const file = path();
    await using store = await open(file);
    await store.keys.putTenant({ name: 'acme', ...unlimited });
    for (const each of readdirSync(folder).filter((name) => join(folder, name).startsWith(file))) {
      expect(statSync(join(folder, each)).mode & 0o777).toBe(0o600);
    }
  });

  test('a file that is no database is told as such', async () => {
    const file = path();
    writeFileSync(file, 'hello '.repeat(1000));
    await expect(open(file)).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

const postgres = needs('postgres');
if (postgres !== undefined) {
  describe('PostgreSQL', () => {
    let server: PrivatePostgres;
    beforeAll(async () => {
      server = await PrivatePostgres.start(postgres);
    }, 60_000);
    afterAll(() => server?.[Symbol.asyncDispose]());
    const newDatabase = async () => {
      const database = `tercet${ids++}`;
      await using admin = new PostgresDatabase({ ...server.address, connectionsMax: 1 });
      await admin.rows(`CREATE DATABASE ${database}`);
      return () => new PostgresDatabase({ ...server.address, database, connectionsMax: 4 });
    };
    const openNew = async () => {
      const connect = await newDatabase();
      return () => SqlControlStore.open(connect());
    };
    controlStoreContract(async () => (await openNew())());
    sharedStoreContract(openNew);
    keyStoreContract(async () => (await openNew())());
    sharedKeyStoreContract(openNew);
    presenceContract(openNew);
    refusesNewer(newDatabase);
    bringsOlder(newDatabase);

    test('a server that is not there is told as such, and one that comes back serves again', async () => {
      await using store = await (await openNew())();
      await store.files.publish(fileOf('file-a'));
      await server.crash();
      const first = await store.files.get('file-a').catch((error: unknown) => error);
      expect(first).toMatchObject({ id: 'file-a' });
      const nowhere = { ...server.address, host: join(folder, 'nowhere'), connectionsMax: 1 };
      await expect(SqlControlStore.open(new PostgresDatabase(nowhere))).rejects.toMatchObject({
        code: 'store_unavailable',
      });
    });
  });
}

function presenceContract(openNew: () => Promise<() => Promise<SqlControlStore>>): void {
  test('gateways that share a store are counted, until they leave or are not heard of', async () => {
    const open = await openNew();
    await using one = await open();
    await using other = await open();
    const minute = 60_000;
    expect(await one.presence.beat('a', minute)).toBe(1);
    expect(await other.presence.beat('b', minute)).toBe(2);
    expect(await one.presence.beat('a', minute)).toBe(2);
    await one.presence.leave('a');
    expect(await other.presence.beat('b', minute)).toBe(1);
    await one.presence.beat('a', minute);
    await sleep(50);
    expect(await other.presence.beat('b', 10)).toBe(1);
  });
}

/** What every control store does, alone. */
function controlStoreContract(open: () => Promise<ControlStore>): void {
  test('an uploaded file comes back byte for byte, and is seen from its publication on', async () => {
    await using store = await open();
    const content = new Uint8Array(2_500_000).map((_, index) => index % 251);
    expect(await store.files.upload('file-a', piecesOf(content, 70_001))).toBe(content.length);
    expect(await store.files.get('file-a')).toBeUndefined();
    const file = fileOf('file-a', { bytes: content.length });
    await store.files.publish(file);
    expect(await store.files.get('file-a')).toEqual(file);
    expect(Buffer.compare(await wholeOf(store.files.read('file-a')), content)).toBe(0);
    expect([await store.files.delete('file-a'), await store.files.delete('file-a')]).toEqual([true, false]);
    await expect(wholeOf(store.files.read('file-a'))).rejects.toMatchObject({ code: 'file_not_found' });
  });

  test('an upload that breaks off leaves nothing', async () => {
    await using store = await open();
    const broken = async function* () {
      yield new Uint8Array(2_000_000);
      throw new Error('the client left');
    };
    await expect(store.files.upload('file-a', broken())).rejects.toThrow('the client left');
    expect(await store.files.upload('file-a', piecesOf(new Uint8Array([1]), 1))).toBe(1);
  });

  test('pages go from the newest to the oldest, each tenant its own', async () => {
    await using store = await open();
    for (const [index, tenant] of ['a', 'b', 'a', 'a', 'a'].entries()) {
      await store.files.publish(fileOf(`file-${index}`, { tenant, createdMs: index < 3 ? 5 : index }));
    }
    const idsOf = async (after?: string) => {
      const query = { tenant: 'a', limit: 2, ...(after === undefined ? {} : { after }) };
      const { items, hasMore } = await store.files.list(query);
      return [...items.map(({ id }) => id), hasMore];
    };
    expect(await idsOf()).toEqual(['file-2', 'file-0', true]);
    expect(await idsOf('file-0')).toEqual(['file-4', 'file-3', false]);
    expect(await idsOf('file-3')).toEqual([false]);
    expect((await store.files.list({ tenant: 'a', limit: 9, purpose: 'batch_output' })).items).toEqual([]);
  });

  test('the bytes of all files that are there are known', async () => {
    await using store = await open();
    expect(await store.files.bytes()).toBe(0);
    await store.files.publish(fileOf('file-a', { bytes: 70 }));
    await store.files.publish(fileOf('file-b', { bytes: 3_000_000_000, tenant: 'b' }));
    expect(await store.files.bytes()).toBe(3_000_000_070);
    await store.files.delete('file-b');
    expect(await store.files.bytes()).toBe(70);
  });

  test('what expired is swept, with uploads that were never published', async () => {
    await using store = await open();
    await store.files.upload('file-a', piecesOf(new Uint8Array([1]), 1));
    await store.files.publish(fileOf('file-a', { expiresMs: 50 }));
    await store.files.upload('file-b', piecesOf(new Uint8Array([1]), 1));
    await store.files.sweep({ nowMs: 49, uploadsBeforeMs: 0 });
    expect(await store.files.get('file-a')).toBeDefined();
    await store.files.sweep({ nowMs: 50, uploadsBeforeMs: (await store.nowMs()) + 1 });
    expect(await store.files.get('file-a')).toBeUndefined();
    await store.files.upload('file-b', piecesOf(new Uint8Array([1]), 1));
  });

  test('one more job than may be under way is refused', async () => {
    await using store = await open();
    await store.jobs.create(jobOf('batch_a'), { underWayMax: 1 });
    await expect(store.jobs.create(jobOf('batch_b'), { underWayMax: 1 })).rejects.toMatchObject({ code: 'overloaded' });
    const errors = [{ code: 'empty_file', message: '' }] as const;
    await store.jobs.change('batch_a', (job) => validated(job, { lines: 0, errors }, 9));
    await store.jobs.create(jobOf('batch_b'), { underWayMax: 1 });
    expect((await store.jobs.underWay()).map(({ id }) => id)).toEqual(['batch_b']);
  });

  test('the end of a job is news until it was told, and once', async () => {
    await using store = await open();
    const errors = [{ code: 'empty_file', message: '' }] as const;
    const end = (job: Job) => (job.state === 'failed' ? job : validated(job, { lines: 0, errors }, 9));
    for (const id of ['batch_a', 'batch_b', 'batch_c']) await store.jobs.create(jobOf(id), limits);
    await store.jobs.change('batch_a', end);
    await store.jobs.change('batch_b', end);
    const untold = async (limit = 9) => (await store.jobs.untold(limit)).map(({ id }) => id);
    expect([await untold(), await untold(1)]).toEqual([['batch_a', 'batch_b'], ['batch_a']]);
    await store.jobs.told(['batch_a']);
    await store.jobs.change('batch_a', end);
    expect(await untold()).toEqual(['batch_b']);
  });

  test('what a change throws comes out, and nothing changed', async () => {
    await using store = await open();
    await store.jobs.create(jobOf('batch_a'), limits);
    const refuse = () => {
      throw new Error('no');
    };
    await expect(store.jobs.change('batch_a', refuse)).rejects.toThrow('no');
    expect(await store.jobs.get('batch_a')).toEqual(jobOf('batch_a'));
    expect(await store.jobs.change('batch_b', (job) => job)).toBeUndefined();
  });

  test('a validation that another took over adds nothing any more', async () => {
    await using store = await open();
    await store.jobs.create(jobOf('batch_a'), limits);
    const first = { runnerId: 'one', nowMs: 10, untilMs: 20 };
    const second = { runnerId: 'two', nowMs: 20, untilMs: 30 };
    expect(await store.jobs.claimValidation(first)).toMatchObject({ id: 'batch_a' });
    expect(await store.jobs.addLines('batch_a', [lineOf(0), lineOf(1)], first)).toBe(true);
    expect(await store.jobs.claimValidation({ ...second, nowMs: 19 })).toBeUndefined();
    expect(await store.jobs.claimValidation(second)).toMatchObject({ id: 'batch_a' });
    expect(await store.jobs.addLines('batch_a', [lineOf(2)], first)).toBe(false);
    expect(await store.jobs.addLines('batch_a', [lineOf(0)], second)).toBe(true);
    const next = (job: Job) => validated(job, { lines: 1, errors: [] }, 25);
    expect(await store.jobs.endValidation('batch_a', 'one', next)).toBeUndefined();
    expect(await store.jobs.endValidation('batch_a', 'two', next)).toMatchObject({ state: 'in_progress' });
    expect(await store.jobs.claimLines('batch_a', second, 9)).toHaveLength(1);
  });

  test('nobody else gets a leased line until its lease ends', async () => {
    await using store = await open();
    await begin(store, 3);
    const lease = (runnerId: string, nowMs: number) => ({ runnerId, nowMs, untilMs: nowMs + 10 });
    const lines = async (runnerId: string, nowMs: number, limit = 9) => {
      const claimed = await store.jobs.claimLines('batch_a', lease(runnerId, nowMs), limit);
      return claimed.map(({ line, attempt }) => [line, attempt]);
    };
    expect(await lines('one', 100, 2)).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect(await lines('two', 105)).toEqual([[2, 1]]);
    expect(await store.jobs.renewLines(lease('one', 108))).toHaveLength(2);
    expect(await lines('two', 116)).toEqual([[2, 2]]);
    expect(await lines('two', 118)).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(await store.jobs.renewLines(lease('one', 118))).toEqual([]);
  });

  test('a line that is given back waits, and may not count as an attempt', async () => {
    await using store = await open();
    await begin(store, 1);
    const lease = { runnerId: 'one', nowMs: 100, untilMs: 110 };
    const [claimed] = await store.jobs.claimLines('batch_a', lease, 1);
    if (claimed === undefined) throw new Error('no line');
    await store.jobs.releaseLine(claimed, { runnerId: 'two', freeMs: 0, counts: true });
    expect(await store.jobs.claimLines('batch_a', lease, 1)).toEqual([]);
    await store.jobs.releaseLine(claimed, { runnerId: 'one', freeMs: 105, counts: false });
    expect(await store.jobs.claimLines('batch_a', { ...lease, nowMs: 104 }, 1)).toEqual([]);
    expect(await store.jobs.claimLines('batch_a', { ...lease, nowMs: 105 }, 1)).toMatchObject([{ attempt: 1 }]);
  });

  test('the first result of a line stays, whoever had the lease', async () => {
    await using store = await open();
    await begin(store, 2);
    await store.jobs.claimLines('batch_a', { runnerId: 'two', nowMs: 1, untilMs: 9 }, 9);
    const result = (line: number, text: string) => ({ jobId: 'batch_a', line, outcome: 'completed' as const, text });
    expect(await store.jobs.finishLines([result(0, 'first'), result(0, 'second'), result(7, 'none')])).toEqual([
      true,
      false,
      false,
    ]);
    const failed = { ...result(1, 'é'), outcome: 'failed' as const };
    expect(await store.jobs.finishLines([result(0, 'third'), failed])).toEqual([false, true]);
    expect((await store.jobs.get('batch_a'))?.counts).toEqual({ total: 2, completed: 1, failed: 1 });
    expect(String(await wholeOf(store.jobs.results('batch_a', 'completed')))).toBe('first\n');
    expect(await store.jobs.resultBytes('batch_a')).toEqual({ completed: 6, failed: 3 });
    expect(await store.jobs.claimLines('batch_a', { runnerId: 'two', nowMs: 99, untilMs: 109 }, 9)).toEqual([]);
  });

  test('a result file that is deleted takes the results with it, and the lines stay ended', async () => {
    await using store = await open();
    await begin(store, 1);
    await store.jobs.finishLines([{ jobId: 'batch_a', line: 0, outcome: 'completed', text: 'answer' }]);
    const source = { kind: 'results', jobId: 'batch_a', outcome: 'completed' } as const;
    await store.files.publish(fileOf('file-out', { purpose: 'batch_output', source }));
    await expect(wholeOf(store.files.read('file-out'))).rejects.toMatchObject({ code: 'file_not_found' });
    await store.files.delete('file-out');
    expect(await wholeOf(store.jobs.results('batch_a', 'completed'))).toHaveLength(0);
    expect(await store.jobs.claimLines('batch_a', { runnerId: 'one', nowMs: 1, untilMs: 2 }, 9)).toEqual([]);
    expect((await store.jobs.get('batch_a'))?.counts.completed).toBe(1);
  });

  test('whatever runners do, the store is the plain model', async () => {
    const property = fc.asyncProperty(fc.commands(storeCommands(), { maxCommands: 40 }), async (commands) => {
      await using real = await open();
      await fc.asyncModelRun(() => ({ model: new MemoryControlStore(new ManualClock(1)), real }), commands);
    });
    await fc.assert(property, { numRuns: 15 });
  }, 120_000);
}

type OpenStore = () => Promise<ControlStore>;

/** What a store does that several processes open. */
function sharedStoreContract(openNew: () => OpenStore | Promise<OpenStore>): void {
  test('runners that claim at a time never share a line, and each line gets one result', async () => {
    const open = await openNew();
    await using first = await open();
    await using second = await open();
    await begin(first, 60);
    const seen: number[] = [];
    let written = 0;
    const run = async (store: ControlStore, runnerId: string) => {
      for (;;) {
        const claimed = await store.jobs.claimLines('batch_a', { runnerId, nowMs: 1, untilMs: 99 }, 4);
        if (claimed.length === 0) return;
        seen.push(...claimed.map(({ line }) => line));
        const outcome = 'completed' as const;
        const results = claimed.map(({ line }) => ({ jobId: 'batch_a', line, outcome, text: 'x' }));
        const firsts = await Promise.all([store.jobs.finishLines(results), store.jobs.finishLines(results)]);
        written += firsts.flat().filter((isFirst) => isFirst).length;
      }
    };
    await Promise.all([run(first, 'one'), run(second, 'two'), run(first, 'three'), run(second, 'four')]);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, line) => line));
    expect(written).toBe(60);
    expect((await second.jobs.get('batch_a'))?.counts).toEqual({ total: 60, completed: 60, failed: 0 });
  });

  test('changes of one job do not get lost between processes', async () => {
    const open = await openNew();
    const stores = [await open(), await open()];
    await stores[0]?.jobs.create(jobOf('batch_a'), limits);
    const more = (job: Job) => ({ ...job, counts: { ...job.counts, total: job.counts.total + 1 } });
    await Promise.all(Array.from({ length: 40 }, (_, i) => stores[i % 2]?.jobs.change('batch_a', more)));
    expect((await stores[1]?.jobs.get('batch_a'))?.counts.total).toBe(40);
    for (const store of stores) await store[Symbol.asyncDispose]();
  });

  test('processes that open a new database at a time agree on its schema', async () => {
    const open = await openNew();
    const stores = await Promise.all([open(), open(), open()]);
    await stores[0]?.jobs.create(jobOf('batch_a'), limits);
    expect(await stores[2]?.jobs.get('batch_a')).toEqual(jobOf('batch_a'));
    for (const store of stores) await store[Symbol.asyncDispose]();
  });
}

function jobOf(id: string): Job {
  return newJob({
    id,
    tenant: '',
    endpoint: '/v1/chat/completions',
    inputFileId: 'file-in',
    metadata: { who: 'test' },
    nowMs: 1,
    windowMs: 1000,
  });
}

/** `batch_a` with so many lines, ready to be claimed. */
async function begin(store: ControlStore, lines: number): Promise<void> {
  const lease = { runnerId: 'validator', nowMs: 1, untilMs: 2 };
  await store.jobs.create(jobOf('batch_a'), limits);
  await store.jobs.claimValidation(lease);
  const all = Array.from({ length: lines }, (_, line) => lineOf(line));
  await store.jobs.addLines('batch_a', all, lease);
  await store.jobs.endValidation('batch_a', 'validator', (job) => validated(job, { lines, errors: [] }, 2));
}
