import { TercetError, wire } from '@tercet/contracts';
import type { EngineDescriptor, MediaRows } from '@tercet/engine';
import { mediaLayoutDigest } from './media-layout.js';
import type { TensorPort } from './tensor-port.js';

export interface PullMedia {
  readonly tensors: TensorPort;
  readonly descriptor: EngineDescriptor;
  readonly spans: readonly wire.MediaSpan[];
}

/**
 * Reads the rows of all spans, each lease once and all of them at the same time; a failure ends the other reads.
 * @throws invalid_request when a span lies outside its lease, feature_unsupported, and what a pull throws
 */
export async function pullMedia(options: PullMedia, signal: AbortSignal): Promise<MediaRows[]> {
  const { spans, descriptor } = options;
  if (spans.length === 0) return [];
  if (descriptor.media === undefined) throw new TercetError('feature_unsupported', { feature: 'images' });
  const leases = new Map<string, wire.TensorLease>();
  for (const { lease } of spans) {
    if (lease === undefined) throw new TercetError('invalid_request', { missing: 'media.lease' });
    leases.set(lease.leaseId, lease);
  }
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const pulled = new Map<string, Float32Array>();
  const pulls = [...leases.values()].map(async (lease) => {
    try {
      pulled.set(lease.leaseId, await pullRows(options, lease, either));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(pulls);
  if (results.some(({ status }) => status === 'rejected')) throw signal.aborted ? signal.reason : failed.signal.reason;
  const { dim } = descriptor.media;
  return spans.map((span) => rowsOf(span, pulled.get(span.lease?.leaseId ?? '') as Float32Array, dim));
}

async function pullRows(options: PullMedia, lease: wire.TensorLease, signal: AbortSignal): Promise<Float32Array> {
  const { tensors, descriptor } = options;
  const [tokens = 0, dim = 0] = lease.shape;
  const rowDim = descriptor.media?.dim ?? 0;
  const fits = dim === rowDim && lease.dtype === wire.DType.DTYPE_F32 && lease.bytes === BigInt(tokens * dim * 4);
  if (!fits || tokens > descriptor.contextTokensMax) {
    throw new TercetError('lease_mismatch', { field: 'shape', tokens, dim, expectedDim: rowDim });
  }
  const rows = new Float32Array(tokens * dim);
  const bytes = new Uint8Array(rows.buffer);
  await tensors.pull(lease, { layoutDigest: mediaLayoutDigest(descriptor), target: () => bytes }, signal);
  return rows;
}

function rowsOf(span: wire.MediaSpan, rows: Float32Array, dim: number): MediaRows {
  const { start, tokens, contentKey, leaseRow } = span;
  if ((leaseRow + tokens) * dim > rows.length) {
    throw new TercetError('invalid_request', { leaseRow, tokens, leasedRows: rows.length / dim });
  }
  return { start, tokens, contentKey, rows: rows.subarray(leaseRow * dim, (leaseRow + tokens) * dim) };
}
