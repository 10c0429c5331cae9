import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { LentSegment, LentTensor, PullTarget, TensorPort } from '@tercet/stage';
import fc from 'fast-check';

/** One process that lends and another that reads; the fake has one end for both. */
export interface TensorsUnderTest extends AsyncDisposable {
  readonly owner: TensorPort;
  readonly reader: TensorPort;
  /** Memory as a tensor has it. */
  allocate(bytes: number): Uint8Array;
  /** Lets time pass, and ends what is due. */
  advance(ms: number): void;
}

/** What the ports under test are opened with. */
export const tensorLimits = { leaseTtlMs: 1000, quarantineMs: 10_000, leasesMax: 4 };

const never = new AbortController().signal;

/** What every port for tensors must do: stages lend and read by it, whichever they were given. */
export function describeTensorPort(name: string, make: () => Promise<TensorsUnderTest>): void {
  describe(`${name} keeps the contract of a tensor port`, () => {
    test('every byte arrives, for odd sizes and any number of segments, and memory is given back once', async () => {
      await using tensors = await make();
      const bytes = fc.oneof(fc.nat(300), fc.integer({ min: 130_000, max: 140_000 }), fc.constant(1_100_001));
      const sizes = fc.array(bytes, { maxLength: 5 });
      const property = fc.asyncProperty(sizes, fc.nat(), async (all, seed) => {
        const lent = new Lent(all.map((size, at) => fill(tensors.allocate(size), seed + at)));
        const lease = tensors.owner.publish(lent);
        expect(lease).toMatchObject({ bytes: BigInt(all.reduce((sum, size) => sum + size, 0)), shape: lent.shape });
        const read = new Read();
        await tensors.reader.pull(lease, read, never);
        read.expectEqual(lent.views);
        await until(() => lent.ends.length > 0);
        tensors.owner.revoke(lease.leaseId);
        expect(lent.ends).toEqual(['released']);
      });
      await fc.assert(property, { numRuns: 20 });
    });

    describeTime(make);
    describeRefusals(make);
    describeEnds(make);
  });
}

function describeTime(make: () => Promise<TensorsUnderTest>): void {
  test('a segment is read once it is ready, while the next one is still computed', async () => {
    await using tensors = await make();
    const views = [1, 2, 3].map((seed) => tensors.allocate(150_000 + seed));
    const gates = views.map(() => Promise.withResolvers<void>());
    const lent = new Lent(views, (at) => ({ ready: () => gates[at]?.promise ?? Promise.resolve() }));
    const read = new Read();
    const pull = tensors.reader.pull(tensors.owner.publish(lent), read, never);
    for (const [at, gate] of gates.entries()) {
      for (let turn = 0; turn < 20; turn++) await turnOfEventLoop();
      expect([...read.got.keys()]).toEqual([...views.keys()].slice(0, at));
      fill(views[at] as Uint8Array, at);
      gate.resolve();
      await until(() => read.got.has(at));
    }
    await pull;
    read.expectEqual(views);
  });

  test('a pull that is given up ends at once, and the lease can be read by another', async () => {
    await using tensors = await make();
    const gate = Promise.withResolvers<void>();
    const lent = new Lent([fill(tensors.allocate(1000), 1)], () => ({ ready: () => gate.promise }));
    const lease = tensors.owner.publish(lent);
    const abort = new AbortController();
    const given = codeOf(tensors.reader.pull(lease, new Read(), abort.signal));
    await turnOfEventLoop();
    abort.abort();
    gate.resolve();
    expect(await given).toBe('cancelled');
    expect(await codeOf(tensors.reader.pull(lease, new Read(), AbortSignal.abort()))).toBe('cancelled');
    const read = new Read();
    await tensors.reader.pull(lease, read, never);
    read.expectEqual(lent.views);
  });
}

function describeRefusals(make: () => Promise<TensorsUnderTest>): void {
  test.each<{ what: string; change: Partial<wire.TensorLease>; code: string }>([
    { what: 'that nobody lent', change: { leaseId: 'f'.repeat(32) }, code: 'lease_unknown' },
    { what: 'of another start-up', change: { generation: 99n }, code: 'lease_mismatch' },
    { what: 'of another layout than the reader has', change: { layoutDigest: 'other' }, code: 'lease_mismatch' },
    { what: 'of another shape', change: { shape: [9, 9] }, code: 'lease_mismatch' },
    { what: 'of another rank', change: { shape: [1] }, code: 'lease_mismatch' },
    { what: 'of another type', change: { dtype: wire.DType.DTYPE_F32 }, code: 'lease_mismatch' },
    { what: 'of another size', change: { bytes: 11n }, code: 'lease_mismatch' },
  ])('a lease $what: $code, and the tensor can still be read', async ({ change, code }) => {
    await using tensors = await make();
    const lease = tensors.owner.publish(new Lent([tensors.allocate(10)]));
    expect(await codeOf(tensors.reader.pull({ ...lease, ...change }, new Read(), never))).toBe(code);
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('read');
  });

  test('a reader whose digest the owner does not have is refused by the owner as well', async () => {
    await using tensors = await make();
    const lease = tensors.owner.publish(new Lent([tensors.allocate(10)]));
    const pull = tensors.reader.pull({ ...lease, layoutDigest: 'other' }, new Read('other'), never);
    expect(await codeOf(pull)).toBe('lease_mismatch');
  });

  test('a target of another size: lease_mismatch', async () => {
    await using tensors = await make();
    const lease = tensors.owner.publish(new Lent([tensors.allocate(10)]));
    const short: PullTarget = { layoutDigest: 'layout', target: (_segment, bytes) => new Uint8Array(bytes - 1) };
    expect(await codeOf(tensors.reader.pull(lease, short, never))).toBe('lease_mismatch');
  });

  test('one more tensor than leases: overloaded, until one ends', async () => {
    await using tensors = await make();
    const lend = () => tensors.owner.publish(new Lent([tensors.allocate(10)]));
    const leases = Array.from({ length: tensorLimits.leasesMax }, lend);
    expect(lend).toThrow(expect.objectContaining({ code: 'overloaded' }));
    tensors.owner.revoke(leases[0]?.leaseId ?? '');
    expect(await codeOf(tensors.reader.pull(lend(), new Read(), never))).toBe('read');
  });
}

function describeEnds(make: () => Promise<TensorsUnderTest>): void {
  test('a tensor is read once: lease_consumed', async () => {
    await using tensors = await make();
    const lent = new Lent([tensors.allocate(10)]);
    const lease = tensors.owner.publish(lent);
    await tensors.reader.pull(lease, new Read(), never);
    await until(() => lent.ends.length > 0);
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('lease_consumed');
  });

  test('what nobody read in time: lease_expired, and the memory goes back', async () => {
    await using tensors = await make();
    const lent = new Lent([tensors.allocate(10)]);
    const lease = tensors.owner.publish(lent);
    tensors.advance(tensorLimits.leaseTtlMs - 1);
    expect(lent.ends).toEqual([]);
    tensors.advance(1);
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('lease_expired');
    tensors.advance(tensorLimits.quarantineMs);
    expect(lent.ends).toEqual(['expired']);
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('lease_expired');
  });

  test('what its owner takes back: tensor_transfer_failed, also for who reads it just then', async () => {
    await using tensors = await make();
    const lent = new Lent([tensors.allocate(10)], () => ({ ready: untilAborted }));
    const lease = tensors.owner.publish(lent);
    const reading = codeOf(tensors.reader.pull(lease, new Read(), never));
    for (let turn = 0; turn < 20; turn++) await turnOfEventLoop();
    tensors.owner.revoke(lease.leaseId);
    tensors.owner.revoke(lease.leaseId);
    tensors.owner.revoke('nobody lent this');
    expect(await reading).toBe('tensor_transfer_failed');
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('tensor_transfer_failed');
    expect(lent.ends).toEqual(['failed']);
  });

  test('what is never completed: tensor_transfer_failed, and the memory goes back', async () => {
    await using tensors = await make();
    const ready = () => Promise.reject(new Error('prefill broke'));
    const lent = new Lent([tensors.allocate(10), tensors.allocate(10)], (at) => (at === 1 ? { ready } : {}));
    const pull = tensors.reader.pull(tensors.owner.publish(lent), new Read(), never);
    expect(await codeOf(pull)).toBe('tensor_transfer_failed');
    expect(lent.ends).toEqual(['failed']);
  });
}

/**
 * Beside the contract, for ports whose bytes travel. Within one process there is one copy and nothing that could change
 * on its way, so the fake has no checksum that could tell.
 */
export function describeChecksums(name: string, make: () => Promise<TensorsUnderTest>): void {
  test(`${name}: memory that changed since its segment was ready is never taken for the tensor`, async () => {
    await using tensors = await make();
    const last = Promise.withResolvers<void>();
    const views = [1, 2].map((seed) => fill(tensors.allocate(200_000), seed));
    const lent = new Lent(views, (at) => (at === 1 ? { ready: () => last.promise } : {}));
    const lease = tensors.owner.publish(lent);
    const abort = new AbortController();
    const first = new Read();
    const given = codeOf(tensors.reader.pull(lease, first, abort.signal));
    await until(() => first.got.has(0));
    abort.abort();
    await given;
    const [view = new Uint8Array(1)] = views;
    view[100_000] = (view[100_000] ?? 0) ^ 4;
    last.resolve();
    expect(await codeOf(tensors.reader.pull(lease, new Read(), never))).toBe('tensor_corrupt');
  });
}

/** A tensor that is ready from the start, unless a segment says otherwise. */
class Lent implements LentTensor {
  readonly shape: readonly number[];
  readonly dtype = wire.DType.DTYPE_U8;
  readonly layoutDigest = 'layout';
  readonly segments: readonly LentSegment[];
  readonly ends: string[] = [];

  constructor(
    readonly views: readonly Uint8Array[],
    change: (at: number) => Partial<LentSegment> = () => ({}),
  ) {
    this.shape = [views.length, 1];
    this.segments = views.map((view, at) => {
      return { bytes: view.byteLength, ready: async () => undefined, view: () => view, ...change(at) };
    });
    this.onEnd = this.onEnd.bind(this);
  }

  onEnd(reason: string): void {
    this.ends.push(reason);
  }
}

/** Memory of a reader. */
class Read implements PullTarget {
  readonly got = new Map<number, Uint8Array>();

  constructor(readonly layoutDigest = 'layout') {}

  target(segment: number, bytes: number): Uint8Array {
    const memory = new Uint8Array(bytes);
    this.got.set(segment, memory);
    return memory;
  }

  expectEqual(views: readonly Uint8Array[]): void {
    for (const [at, view] of views.entries()) {
      expect(Buffer.compare(this.got.get(at) ?? new Uint8Array(0), view)).toBe(0);
    }
  }
}

/** Bytes that differ from place to place and from seed to seed. */
function fill(view: Uint8Array, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const block = Uint8Array.from({ length: 4099 }, () => prng.nextUint32());
  for (let at = 0; at < view.byteLength; at += block.byteLength) view.set(block.subarray(0, view.byteLength - at), at);
  return view;
}

async function codeOf(pull: Promise<unknown>): Promise<string> {
  return pull.then(
    () => 'read',
    (error: unknown) => (error instanceof TercetError ? error.code : String(error)),
  );
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5000 && !condition(); turn++) await turnOfEventLoop();
  expect(condition()).toBe(true);
}
