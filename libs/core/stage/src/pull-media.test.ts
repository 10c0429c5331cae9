import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { FakeBackend } from '@tercet/engine';
import { mediaLayoutDigest } from './media-layout.js';
import { MemoryTensors } from './memory-tensors.js';
import { pullMedia } from './pull-media.js';
import { never } from './testing.js';

const { descriptor } = new FakeBackend();
const dim = 4;

describe('pullMedia', () => {
  test('two spans of one lease read it once, each its own rows', async () => {
    const tensors = new MemoryTensors();
    const lease = lend(tensors, { tokens: 4 });
    const spans = [spanOf(lease, { start: 9, leaseRow: 2 }), spanOf(lease, { start: 1, leaseRow: 0 })];
    const found = await pullMedia({ tensors, descriptor, spans }, never);
    expect(found.map(({ start, tokens, rows }) => [start, tokens, [...rows]])).toEqual([
      [9, 2, [8, 9, 10, 11, 12, 13, 14, 15]],
      [1, 2, [0, 1, 2, 3, 4, 5, 6, 7]],
    ]);
    expect(tensors.open).toBe(0);
  });

  test('without spans nothing is asked, not even of a model without vision', async () => {
    const { media: _, ...blind } = descriptor;
    const tensors = new MemoryTensors();
    expect(await pullMedia({ tensors, descriptor: blind, spans: [] }, never)).toEqual([]);
    const spans = [spanOf(lend(tensors, {}))];
    await expect(pullMedia({ tensors, descriptor: blind, spans }, never)).rejects.toMatchObject({
      code: 'feature_unsupported',
    });
  });

  test.each([
    { what: 'no lease', span: { lease: undefined }, code: 'invalid_request' },
    { what: 'rows behind the end of the lease', span: { leaseRow: 1 }, code: 'invalid_request' },
    { what: 'rows of another width', lent: { width: dim * 2 }, code: 'lease_mismatch' },
    { what: 'another type', lent: { dtype: wire.DType.DTYPE_F16 }, code: 'lease_mismatch' },
    { what: 'more rows than a context has', lent: { tokens: 257 }, code: 'lease_mismatch' },
    { what: 'rows of other weights', lent: { layoutDigest: 'other' }, code: 'lease_mismatch' },
  ])('$what: $code', async ({ lent = {}, span = {}, code }) => {
    const tensors = new MemoryTensors();
    const spans = [{ ...spanOf(lend(tensors, lent)), ...span }];
    await expect(pullMedia({ tensors, descriptor, spans }, never)).rejects.toMatchObject({ code });
  });

  test('a lease that fails ends the reads of the others', async () => {
    const tensors = new MemoryTensors();
    const slow = lend(tensors, { ready: (signal) => aborted(signal) });
    const broken = lend(tensors, { ready: () => Promise.reject(new Error('prefill broke')) });
    const spans = [spanOf(slow), spanOf(broken)];
    await expect(pullMedia({ tensors, descriptor, spans }, never)).rejects.toMatchObject({
      code: 'tensor_transfer_failed',
    });
  });

  test('a caller that is gone ends all of them', async () => {
    const tensors = new MemoryTensors();
    const caller = new AbortController();
    const spans = [1, 2].map(() => spanOf(lend(tensors, { ready: (signal) => aborted(signal) })));
    const pulling = pullMedia({ tensors, descriptor, spans }, caller.signal);
    caller.abort(new Error('gone'));
    await expect(pulling).rejects.toThrow('gone');
  });
});

interface Lent {
  readonly tokens?: number;
  readonly width?: number;
  readonly dtype?: wire.DType;
  readonly layoutDigest?: string;
  readonly ready?: (signal: AbortSignal) => Promise<void>;
}

/** Rows that count up. */
function lend(tensors: MemoryTensors, lent: Lent): wire.TensorLease {
  const { tokens = 2, width = dim, dtype = wire.DType.DTYPE_F32, ready = async () => undefined } = lent;
  const rows = Float32Array.from({ length: tokens * width }, (_, i) => i);
  const segment = { bytes: rows.byteLength, ready, view: () => new Uint8Array(rows.buffer) };
  const layoutDigest = lent.layoutDigest ?? mediaLayoutDigest(descriptor);
  const shape = [tokens, width];
  return tensors.publish({ shape, dtype, layoutDigest, segments: [segment], onEnd: () => undefined });
}

function spanOf(lease: wire.TensorLease, more: Partial<wire.MediaSpan> = {}): wire.MediaSpan {
  return { start: 0, tokens: 2, contentKey: 'k', lease, leaseRow: 0, ...more };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}
