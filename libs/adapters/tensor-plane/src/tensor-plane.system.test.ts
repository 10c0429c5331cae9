import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, Prng } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import fc from 'fast-check';
import { type LeaseEnd, type PullInto, SharedMemory, TensorPlane, type TensorSegment } from './index.js';

const never = new AbortController().signal;
let folder: string;
let clock: ManualClock;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plane-'));
  clock = new ManualClock(1000);
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

type Kind = 'shm' | 'unix' | 'tcp';

async function planeOf(kind: Kind, extra: Partial<Parameters<typeof TensorPlane.open>[0]> = {}): Promise<TensorPlane> {
  const path = join(folder, `${closing.length}.sock`);
  const plane = await TensorPlane.open({
    listen: kind === 'tcp' ? { kind, host: '127.0.0.1', port: 0 } : { kind: 'unix', path },
    generation: 7n,
    clock,
    leaseTtlMs: 1000,
    quarantineMs: 10_000,
    leasesMax: 500,
    ...extra,
  });
  closing.push(() => plane.close());
  return plane;
}

/** An owner and a reader of one kind, and memory that both know. */
async function pairOf(kind: Kind, extra: Partial<Parameters<typeof TensorPlane.open>[0]> = {}) {
  const memory = SharedMemory.open({ folder });
  closing.push(() => memory.close());
  const owner = await planeOf(kind, kind === 'shm' ? { memory, ...extra } : extra);
  const reader = await planeOf(kind, kind === 'shm' ? { memory, ...extra } : extra);
  const allocate = (bytes: number) =>
    kind === 'shm' ? memory.allocate({ bytes, label: 'test' }).view(0, bytes) : new Uint8Array(bytes);
  return { owner, reader, allocate };
}

/** Bytes that differ from place to place and from seed to seed. */
function fill(view: Uint8Array, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const block = Uint8Array.from({ length: 4099 }, () => prng.nextUint32());
  for (let at = 0; at < view.byteLength; at += block.byteLength) {
    view.set(block.subarray(0, view.byteLength - at), at);
    view[at] = at >> 12;
  }
  return view;
}

function sourceOf(views: readonly Uint8Array[], ends: LeaseEnd[] = [], change: Partial<TensorSegment> = {}) {
  const segments = views.map((view) => ({
    bytes: view.byteLength,
    ready: async () => {},
    view: () => view,
    ...change,
  }));
  const onEnd = (reason: LeaseEnd) => void ends.push(reason);
  return { shape: [views.length, 1], dtype: wire.DType.DTYPE_U8, layoutDigest: 'layout', segments, onEnd };
}

function intoMemory(extra: Partial<PullInto> = {}): PullInto & { got: Map<number, Uint8Array>; done: number[] } {
  const got = new Map<number, Uint8Array>();
  const done: number[] = [];
  const target = (segment: number, bytes: number) => {
    got.set(segment, new Uint8Array(bytes));
    return got.get(segment) as Uint8Array;
  };
  return { layoutDigest: 'layout', target, segmentDone: (segment) => void done.push(segment), got, done, ...extra };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof TercetError ? error.code : String(error)),
  );
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !condition(); i++) await turn();
  expect(condition()).toBe(true);
}

describe.each<Kind>(['shm', 'unix', 'tcp'])('over %s', (kind) => {
  test('every byte arrives, for odd sizes and any number of segments', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const sizes = fc.array(
      fc.oneof(fc.nat(300), fc.integer({ min: 130_000, max: 140_000 }), fc.integer({ min: 900_000, max: 2_300_000 })),
      {
        maxLength: 6,
      },
    );
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (bytes, seed) => {
        const views = bytes.map((size, at) => fill(allocate(size), seed + at));
        const ends: LeaseEnd[] = [];
        const into = intoMemory();
        const result = await reader.pull(owner.publish(sourceOf(views, ends)), into, never);
        expect(result.bytes).toBe(bytes.reduce((sum, size) => sum + size, 0));
        for (const [at, view] of views.entries()) {
          expect(Buffer.compare(into.got.get(at) ?? new Uint8Array(0), view)).toBe(0);
        }
        expect(into.done).toEqual([...views.keys()]);
        await until(() => ends.length === 1);
        expect(ends).toEqual(['released']);
        if (bytes.some((size) => size >= 1 << 17)) expect(result.path).toBe(kind);
      }),
      { numRuns: 25 },
    );
    expect(owner.stats()).toMatchObject({ leases: 0, quarantined: 0 });
  });

  test('a tensor may be read again until it is released, in whole or in parts', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const views = [1, 2, 3].map((seed) => fill(allocate(10_000 * seed), seed));
    const ends: LeaseEnd[] = [];
    const lease = owner.publish(sourceOf(views, ends));
    const part = intoMemory({ keepLease: true, segments: { from: 1, to: 2 } });
    await reader.pull(lease, part, never);
    expect(part.done).toEqual([1]);
    expect(Buffer.compare(part.got.get(1) as Uint8Array, views[1] as Uint8Array)).toBe(0);
    await reader.pull(lease, intoMemory({ keepLease: true }), never);
    expect(ends).toEqual([]);
    await reader.pull(lease, intoMemory(), never);
    await until(() => ends.length === 1);
    expect(await codeOf(reader.pull(lease, intoMemory(), never))).toBe('lease_consumed');
    expect(owner.stats().rereads).toBe(2);
  });

  test('a layer arrives while the next one is still computed', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const views = [0, 1, 2, 3].map((seed) => fill(allocate(2_500_000), seed));
    const gates = views.map(() => Promise.withResolvers<void>());
    const source = sourceOf(views);
    const segments = source.segments.map((segment, at) => ({
      ...segment,
      ready: () => gates[at]?.promise ?? Promise.resolve(),
    }));
    const into = intoMemory();
    const pull = reader.pull(owner.publish({ ...source, segments }), into, never);
    for (const [at, gate] of gates.entries()) {
      await turn();
      expect(into.done.length).toBe(at);
      gate.resolve();
      await until(() => into.done.length === at + 1);
    }
    expect((await pull).bytes).toBe(10_000_000);
  });

  test('200 pulls at once all get their own bytes', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const ends: LeaseEnd[] = [];
    const views = Array.from({ length: 200 }, (_, seed) => fill(allocate(1000 + 977 * (seed % 50)), seed));
    const pulls = views.map(async (view) => {
      const into = intoMemory();
      await reader.pull(owner.publish(sourceOf([view], ends)), into, never);
      return Buffer.compare(into.got.get(0) as Uint8Array, view);
    });
    expect(await Promise.all(pulls)).toEqual(views.map(() => 0));
    await until(() => ends.length === 200);
    expect(reader.stats().ownersOpen).toBe(1);
  });

  test('memory that changes while it is lent is never taken for the tensor', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const view = fill(allocate(1_500_000), 1);
    const lease = owner.publish(sourceOf([view]));
    await reader.pull(lease, intoMemory({ keepLease: true }), never);
    view[1_400_000] = (view[1_400_000] ?? 0) ^ 4;
    expect(await codeOf(reader.pull(lease, intoMemory(), never))).toBe('tensor_corrupt');
    expect(reader.stats()).toMatchObject({ corrupt: 1, pullsFailed: 1 });
    view[1_400_000] = (view[1_400_000] ?? 0) ^ 4;
    expect(await codeOf(reader.pull(lease, intoMemory(), never))).toBe('no error');
  });

  test('an aborted pull leaves stream and lease usable', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const view = fill(allocate(20_000_000), 1);
    const lease = owner.publish(sourceOf([view]));
    const other = intoMemory();
    const otherView = fill(allocate(30_000), 2);
    const abort = new AbortController();
    const target = (_segment: number, bytes: number) => {
      abort.abort();
      return new Uint8Array(bytes);
    };
    const aborted = codeOf(reader.pull(lease, intoMemory({ target }), abort.signal));
    const kept = reader.pull(owner.publish(sourceOf([otherView])), other, never);
    expect(await aborted).toBe('cancelled');
    await kept;
    expect(Buffer.compare(other.got.get(0) as Uint8Array, otherView)).toBe(0);
    const again = intoMemory();
    await reader.pull(lease, again, never);
    expect(Buffer.compare(again.got.get(0) as Uint8Array, view)).toBe(0);
  });

  test('a lease that expires during the pull ends it, and its memory stays untouched for the quarantine', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const view = fill(allocate(9_000_000), 1);
    const ends: LeaseEnd[] = [];
    const lease = owner.publish(sourceOf([view, view], ends));
    const into = intoMemory({
      target: (segment, bytes) => {
        if (segment === 1) clock.advance(5000);
        return new Uint8Array(bytes);
      },
    });
    expect(await codeOf(reader.pull(lease, into, never))).toBe('lease_expired');
    expect(owner.stats()).toMatchObject({ quarantined: 1, quarantinedBytes: 18_000_000, expired: 1 });
    expect(ends).toEqual([]);
    clock.advance(10_000);
    owner.sweep();
    expect(ends).toEqual(['expired']);
  });

  test('a tensor that is never completed fails its readers and gives its memory back', async () => {
    const { owner, reader, allocate } = await pairOf(kind);
    const ends: LeaseEnd[] = [];
    const ready = () => Promise.reject(new Error('prefill broke'));
    const lease = owner.publish(sourceOf([allocate(100)], ends, { ready }));
    expect(await codeOf(reader.pull(lease, intoMemory(), never))).toBe('tensor_transfer_failed');
    expect(ends).toEqual(['failed']);
  });
});

describe('refusals', () => {
  test.each([
    { name: 'unknown', change: { leaseId: 'f'.repeat(32) }, code: 'lease_unknown' },
    { name: 'of an earlier start-up', change: { generation: 6n }, code: 'lease_mismatch' },
    { name: 'with another shape', change: { shape: [9, 9] }, code: 'lease_mismatch' },
    { name: 'at a dead endpoint', change: { endpoint: 'unix:/nowhere/x.sock' }, code: 'tensor_transfer_failed' },
    { name: 'at a bad endpoint', change: { endpoint: 'ftp://x' }, code: 'tensor_transfer_failed' },
    { name: 'with another layout', change: { layoutDigest: 'other' }, code: 'lease_mismatch' },
  ])('a lease $name: $code', async ({ change, code }) => {
    const { owner, reader } = await pairOf('unix');
    const lease = owner.publish(sourceOf([new Uint8Array(10)]));
    expect(await codeOf(reader.pull({ ...lease, ...change }, intoMemory(), never))).toBe(code);
    expect(await codeOf(reader.pull(lease, intoMemory(), never))).toBe('no error');
  });

  test('a target of another size is refused before a byte is written', async () => {
    const { owner, reader } = await pairOf('unix');
    const lease = owner.publish(sourceOf([new Uint8Array(10)]));
    expect(await codeOf(reader.pull(lease, intoMemory({ target: () => new Uint8Array(9) }), never))).toBe(
      'lease_mismatch',
    );
  });

  test('garbage on the socket closes that stream only', async () => {
    const { connect } = await import('node:net');
    const { owner, reader } = await pairOf('unix');
    const socket = connect(owner.endpoint.slice('unix:'.length));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined).write(Buffer.alloc(100, 1));
    await closed;
    expect(await codeOf(reader.pull(owner.publish(sourceOf([new Uint8Array(10)])), intoMemory(), never))).toBe(
      'no error',
    );
  });

  test('two planes on one socket path: the second is refused, and a dead one is replaced', async () => {
    const listen = { kind: 'unix', path: join(folder, 'one.sock') } as const;
    await planeOf('unix', { listen });
    expect(await codeOf(planeOf('unix', { listen }))).toBe('port_in_use');
  });

  test('closing gives every tensor back and refuses new ones', async () => {
    const { owner } = await pairOf('unix');
    const ends: LeaseEnd[] = [];
    owner.publish(sourceOf([new Uint8Array(4)], ends));
    await owner.close();
    expect(ends).toEqual(['failed']);
    expect(() => owner.publish(sourceOf([]))).toThrow('the system is stopping');
  });
});

describe('shared memory', () => {
  test('a sparse arena takes no memory until touched, and its file goes at close', () => {
    const memory = SharedMemory.open({ folder });
    const arena = memory.allocate({ bytes: 1 << 30, label: 'KV cache!' });
    arena.view(123_456, 3).set([1, 2, 3]);
    expect(memory.locate(arena.view(123_457, 2))).toEqual({ path: arena.path, offset: 123_457 });
    expect(memory.locate(new Uint8Array(4))).toBeUndefined();
    expect(readdirSync(folder).join()).toMatch(/^tercet-\d+-kv-cache--[0-9a-f]{16}$/);
    memory.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('an arena larger than the folder has room is private memory', () => {
    const memory = SharedMemory.open({ folder });
    const arena = memory.allocate({ bytes: 2 ** 42, label: 'huge' });
    expect(arena.path).toBeUndefined();
    arena.view(2 ** 41, 1).set([1]);
    memory.close();
  });

  test('living files are left alone', () => {
    const first = SharedMemory.open({ folder });
    first.allocate({ bytes: 1, label: 'a' });
    const second = SharedMemory.open({ folder });
    expect(readdirSync(folder).length).toBe(1);
    second.close();
    first.close();
  });

  test('a reader that cannot map reads through the socket instead', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'plane-'));
    closing.push(() => rmSync(elsewhere, { recursive: true }));
    const memory = SharedMemory.open({ folder });
    closing.push(() => memory.close());
    const owner = await planeOf('unix', { memory });
    const reader = await planeOf('unix', { memory: SharedMemory.open({ folder: elsewhere }) });
    const views = [40, 150_000, 0, 160_000].map((bytes, seed) =>
      fill(memory.allocate({ bytes, label: 'x' }).view(0, bytes), seed),
    );
    const into = intoMemory();
    const result = await reader.pull(owner.publish(sourceOf(views)), into, never);
    expect(result).toMatchObject({ bytes: 310_040, path: 'unix' });
    expect(into.done).toEqual([0, 1, 2, 3]);
  });
});
