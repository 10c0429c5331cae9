import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NewEvent, StoredEvent, TopicName } from '@tercet/event-log';
import { FileEventLog } from './file-event-log.js';
import { LogFile, memberTtlMs } from './log-file.js';

const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
const mortal = fileURLToPath(new URL('../../dist/file/testing/mortal.js', import.meta.url));
const mebibyte = 2 ** 20;
const minute = 60_000;
let folder = '';
let path = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-events-'));
  path = join(folder, 'events.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('processes that are killed', () => {
  test('no acknowledged record of two writers is lost, each comes once and in its order', async () => {
    const acknowledged = await Promise.all(['x', 'y'].map((name) => killed(['publish', path, name], 15)));
    await using log = open();
    const heard = await hear(log, 'g', (ids) => acknowledged.flat().every((id) => ids.includes(id)));
    for (const name of ['x', 'y']) {
      const ids = heard.filter((id) => id.startsWith(name));
      expect(ids).toEqual(Array.from(ids, (_, i) => `${name}-${i}`));
    }
  });

  test('what a killed reader had not done with comes to the next one', async () => {
    await using log = open();
    const ids = Array.from({ length: 1200 }, (_, i) => `job-${i}`);
    // Half of them: of one part at least more than a batch, whose place was kept before the next was read.
    const reading = killed(['read', path, 'g'], 600);
    await Promise.all(ids.map((id) => log.publish('jobs', job(id))));
    const first = await reading;
    const second = await hear(log, 'g', (heard) => new Set([...first, ...heard]).size === ids.length);
    expect(second.length).toBeLessThan(ids.length);
  });
});

describe('a file that cannot be used', () => {
  test.each([
    { name: 'no database', damage: () => writeFileSync(path, 'a diary, not a database. '.repeat(300)) },
    { name: 'torn', damage: () => truncateSync(path, Math.floor(statSync(path).size / 2)) },
    { name: 'of a version of tomorrow', damage: () => change('PRAGMA user_version = 99') },
  ])('because it is $name is called damaged, and one that replaces it is taken', async ({ damage }) => {
    {
      using file = LogFile.open(path, 64 * mebibyte);
      for (let i = 0; i < 200; i++) file.append([recordOf('jobs', `key-${i}`, 500)], 0);
    }
    damage();
    await using log = open();
    const { reason } = ((await Promise.allSettled([log.publish('jobs', job('a'))])) as [PromiseRejectedResult])[0];
    expect(reason).toMatchObject({ code: 'event_log_corrupt', details: { path } });
    const onEvent = async () => undefined;
    const reading = log.subscribe({ topics: ['jobs'], group: 'g', from: 'earliest', onEvent }, never);
    await expect(reading).rejects.toMatchObject({ code: 'event_log_corrupt' });
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
    await log.publish('jobs', job('b'));
  });

  test('a folder that is missing refuses a record when its time is over', async () => {
    const limits = { recordsMax: 10, bytesMax: mebibyte, waitMs: 100 };
    await using log = new FileEventLog({ path: join(folder, 'gone', 'events.db'), producer: 'p', clock, limits });
    await expect(log.publish('jobs', job('a'))).rejects.toMatchObject({ code: 'event_log_unavailable' });
  });
});

describe('the file', () => {
  test('is limited: a record beyond its size is refused, and what it has can be read', () => {
    using file = LogFile.open(path, mebibyte);
    const fill = () => {
      for (let i = 0; i < 100; i++) file.append([recordOf('jobs', 'k', 20_000)], 0);
    };
    expect(fill).toThrow('the event log does not answer');
    expect(file.read({ topic: 'jobs', partition: partitionIn('k') }, 0, 1000).length).toBeGreaterThan(20);
  });

  test('keeps a record as long as its topic says, and one without a limit for ever', () => {
    using file = LogFile.open(path, mebibyte);
    file.append([recordOf('load', 'old'), recordOf('jobs', 'job'), recordOf('vectors', 'shard')], 0);
    file.append([recordOf('load', 'new')], 5 * minute);
    file.trim(11 * minute);
    expect(keys()).toEqual(['job', 'shard', 'new']);
    file.trim(31 * 24 * 60 * minute);
    expect(keys()).toEqual(['shard']);
  });

  test('divides the places of a group among those that live, and every place has one owner at any time', () => {
    using file = LogFile.open(path, mebibyte);
    const [a, b, c] = ['a', 'b', 'c'].map(
      (id) => ({ id, group: 'g', topics: ['jobs', 'roles'], from: 'latest' }) as const,
    );
    if (a === undefined || b === undefined || c === undefined) throw new Error('bug: three members');
    file.join(a);
    expect(file.beat(a, [], 0).length).toBe(5);
    expect(file.beat(b, [], 0).length).toBe(0);
    const kept = { topic: 'jobs', partition: 1 } as const;
    expect(file.beat(a, [kept], 0)).toContainEqual({ ...kept, next: expect.any(Number) });
    expect(file.beat(b, [], 0)).not.toContainEqual(expect.objectContaining(kept));
    file.beat(a, [], 0);
    expect(file.beat(b, [], 0)).toContainEqual(expect.objectContaining(kept));
    for (let turn = 0; turn < 2; turn++) for (const member of [a, b, c]) file.beat(member, [], memberTtlMs);
    const all = [a, b, c].flatMap((member) => file.beat(member, [], memberTtlMs));
    expect(new Set(all.map(({ topic, partition }) => `${topic} ${partition}`)).size).toBe(5);
    expect(all.length).toBe(5);
    file.leave(b);
    expect(file.beat(a, [], 3 * memberTtlMs).length).toBe(5);
  });

  test('is not moved on by a member whose place went to another', () => {
    using file = LogFile.open(path, mebibyte);
    const member = (id: string) => ({ id, group: 'g', topics: ['roles'], from: 'earliest' }) as const;
    const place = { topic: 'roles', partition: 0 } as const;
    file.join(member('a'));
    file.beat(member('a'), [], 0);
    file.beat(member('b'), [], 2 * memberTtlMs);
    file.commit(member('a'), { ...place, next: 7 });
    file.commit(member('b'), { ...place, next: 3 });
    expect(file.beat(member('b'), [], 2 * memberTtlMs)).toEqual([{ ...place, next: 3 }]);
  });
});

test('a reader hears of a record that another process wrote within 50 ms, most of the time', async () => {
  await using log = open();
  await using other = open();
  const delays: number[] = [];
  const stop = new AbortController();
  const onEvent = async ({ event }: StoredEvent) => void delays.push(Date.now() - Number(event.unixMs));
  const reading = other.subscribe({ topics: ['roles'], group: 'g', from: 'earliest', onEvent }, stop.signal);
  for (let i = 0; i < 40; i++) {
    await log.publish('roles', job('k'));
    await sleep(25);
  }
  while (delays.length < 40) await sleep(10);
  stop.abort();
  await reading;
  // From the call of publish: the writer's disk is in it.
  expect(delays.toSorted((a, b) => a - b)[20]).toBeLessThan(50);
});

const never = new AbortController().signal;

function open(): FileEventLog {
  return new FileEventLog({ path, producer: 'p', clock });
}

function job(jobId: string): NewEvent {
  return { key: jobId, body: { $case: 'job', value: { jobId, tenant: '' } } };
}

function recordOf(topic: TopicName, key: string, bytes = 10) {
  return { topic, key, bytes: new Uint8Array(bytes) };
}

function partitionIn(key: string): number {
  using database = new DatabaseSync(path);
  return Number(database.prepare('SELECT partition FROM records WHERE key = ? LIMIT 1').get(key)?.partition);
}

function keys(): string[] {
  using database = new DatabaseSync(path);
  const rows = database.prepare('SELECT key FROM records ORDER BY "offset"').all();
  return rows.map(({ key }) => String(key));
}

function change(statement: string): void {
  using database = new DatabaseSync(path);
  database.exec(statement);
}

/** Job ids that a group hears until there are enough. */
async function hear(log: FileEventLog, group: string, isEnough: (ids: string[]) => boolean): Promise<string[]> {
  const ids: string[] = [];
  const stop = new AbortController();
  const onEvent = async ({ event: { body } }: StoredEvent) => {
    if (body?.$case === 'job') ids.push(body.value.jobId);
  };
  const reading = log.subscribe({ topics: ['jobs'], group, from: 'earliest', onEvent }, stop.signal);
  while (!isEnough(ids)) await sleep(20);
  stop.abort();
  await reading;
  return ids;
}

/** Lines that a process wrote before it was killed: so many, and some more. */
async function killed(args: string[], linesMin: number): Promise<string[]> {
  const child = spawn(process.execPath, [mortal, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise((resolve) => child.once('close', resolve));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    text += data;
    if (text.split('\n').length > linesMin) child.kill('SIGKILL');
  });
  await closed;
  // A line that the kill cut off was not told.
  return text.split('\n').slice(0, -1);
}
