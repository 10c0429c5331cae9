import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import fc from 'fast-check';
import { LeaseTable } from './lease-table.js';
import type { LeaseEnd } from './tensor-source.js';
import { nodeKernels } from './transfer-kernels.js';

const ttl = 100;
const quarantine = 1000;

function tableOf(leasesMax = 8) {
  const clock = new ManualClock(5000);
  const times = { clock, leaseTtlMs: ttl, quarantineMs: quarantine };
  const options = { ...times, endpoint: 'unix:/t', generation: 3n, leasesMax, kernels: nodeKernels };
  return { clock, table: new LeaseTable(options) };
}

function sourceOf(ends: LeaseEnd[] = []) {
  const segment = { bytes: 8, ready: async () => undefined, view: () => new Uint8Array(8) };
  const onEnd = (reason: LeaseEnd) => void ends.push(reason);
  return { shape: [2, 4], dtype: wire.DType.DTYPE_U8, layoutDigest: 'abc', segments: [segment], onEnd };
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'no error';
  } catch (error) {
    return error instanceof TercetError ? error.code : String(error);
  }
}

describe('lease table', () => {
  test.each([
    { names: ['decode-0'], code: 'no error' },
    { names: ['other', 'decode-0.pods.svc'], code: 'no error' },
    { names: ['decode-01'], code: 'lease_mismatch' },
    { names: [], code: 'lease_mismatch' },
    { names: undefined, code: 'no error' },
  ])('a lease for decode-0 and a reader that is $names: $code', ({ names, code }) => {
    const { table } = tableOf();
    const lease = table.publish({ ...sourceOf(), reader: 'decode-0' });
    expect(codeOf(() => table.open(lease, names))).toBe(code);
    expect(table.counters.refused).toBe(code === 'no error' ? 0 : 1);
    // One that is for nobody in particular is for everybody.
    expect(codeOf(() => table.open(table.publish(sourceOf()), names))).toBe('no error');
  });

  test('a lease id has 128 random bits and its expiry follows the ttl', () => {
    const { table } = tableOf();
    const first = table.publish(sourceOf());
    expect(first.leaseId).toMatch(/^[0-9a-f]{32}$/);
    expect(table.publish(sourceOf()).leaseId).not.toBe(first.leaseId);
    expect(first).toMatchObject({ generation: 3n, bytes: 8n, expiresUnixMs: 5100n, endpoint: 'unix:/t' });
  });

  test.each([
    { name: 'an id that was never given', change: { leaseId: '00' }, code: 'lease_unknown' },
    { name: 'a start-up of long ago', change: { generation: 2n }, code: 'lease_mismatch' },
    { name: 'another layout', change: { layoutDigest: 'abd' }, code: 'lease_mismatch' },
    { name: 'another shape', change: { shape: [4, 2] }, code: 'lease_mismatch' },
    { name: 'fewer axes', change: { shape: [2] }, code: 'lease_mismatch' },
    { name: 'another type', change: { dtype: wire.DType.DTYPE_F16 }, code: 'lease_mismatch' },
    { name: 'another size', change: { bytes: 9n }, code: 'lease_mismatch' },
    { name: 'what was published', change: {}, code: 'no error' },
  ])('$name: $code', ({ change, code }) => {
    const { table } = tableOf();
    const lease = table.publish(sourceOf());
    expect(codeOf(() => table.open({ ...lease, ...change }))).toBe(code);
  });

  test('memory is given back at release, and the lease is consumed from then on', () => {
    const { table } = tableOf();
    const ends: LeaseEnd[] = [];
    const lease = table.publish(sourceOf(ends));
    table.open(lease);
    table.open(lease);
    table.release(lease.leaseId);
    expect(ends).toEqual(['released']);
    expect(codeOf(() => table.open(lease))).toBe('lease_consumed');
    expect(codeOf(() => table.release(lease.leaseId))).toBe('lease_consumed');
    expect(table.counters).toMatchObject({ released: 1, rereads: 1, refused: 2 });
  });

  test('an expired tensor rests in quarantine before its memory is reused', () => {
    const { clock, table } = tableOf();
    const ends: LeaseEnd[] = [];
    const lease = table.publish(sourceOf(ends));
    const entry = table.open(lease);
    clock.advance(ttl);
    table.sweep();
    expect(entry.ended.signal.aborted).toBe(true);
    expect(ends).toEqual([]);
    expect(codeOf(() => table.release(lease.leaseId))).toBe('lease_expired');
    expect(table.gauges()).toMatchObject({ leases: 0, quarantined: 1, quarantinedBytes: 8 });
    clock.advance(quarantine - 1);
    table.sweep();
    expect(ends).toEqual([]);
    clock.advance(1);
    table.sweep();
    expect(ends).toEqual(['expired']);
    expect(codeOf(() => table.open(lease))).toBe('lease_expired');
  });

  test('a pull that moves keeps its lease', () => {
    const { clock, table } = tableOf();
    const lease = table.publish(sourceOf());
    for (let i = 0; i < 5; i++) {
      clock.advance(ttl - 1);
      table.renew(lease.leaseId);
    }
    expect(table.gauges().leases).toBe(1);
  });

  test('memory on its way to a socket is not given back before it left', () => {
    const { table } = tableOf();
    const ends: LeaseEnd[] = [];
    const lease = table.publish(sourceOf(ends));
    const letGo = table.hold(table.open(lease));
    table.release(lease.leaseId);
    expect(ends).toEqual([]);
    letGo();
    expect(ends).toEqual(['released']);
  });

  test('one lease too many is refused', () => {
    const { table } = tableOf(2);
    table.publish(sourceOf());
    table.publish(sourceOf());
    expect(codeOf(() => table.publish(sourceOf()))).toBe('overloaded');
  });

  test('every published tensor ends exactly once, whatever happens to it', () => {
    const step = fc.record({ act: fc.constantFrom('publish', 'release', 'fail', 'tick', 'hold'), at: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, table } = tableOf(6);
        const ends: LeaseEnd[][] = [];
        const leases: wire.TensorLease[] = [];
        const holds: (() => void)[] = [];
        for (const { act, at } of steps) {
          const lease = leases.at(-1 - at);
          if (act === 'tick') clock.advance(40 * at);
          if (act === 'fail' && lease) table.fail(lease.leaseId);
          if (act === 'release' && lease) codeOf(() => table.release(lease.leaseId));
          if (act === 'hold' && lease) codeOf(() => holds.push(table.hold(table.open(lease))));
          if (act !== 'publish') continue;
          const ended: LeaseEnd[] = [];
          codeOf(() => leases.push(table.publish(sourceOf(ended))) && ends.push(ended));
        }
        for (const letGo of holds) letGo();
        table.close();
        expect(ends.every((ended) => ended.length === 1)).toBe(true);
        const { published, released, expired, failed } = table.counters;
        expect(published).toBe(ends.length);
        expect(released + expired + failed).toBeLessThanOrEqual(published);
        expect(table.gauges()).toEqual({ leases: 0, leasedBytes: 0, quarantined: 0, quarantinedBytes: 0 });
      }),
    );
  });
});
