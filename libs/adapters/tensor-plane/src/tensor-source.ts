import type { wire } from '@tercet/contracts';

/** A tensor that others may read while its lease lives. */
export interface TensorSource {
  readonly shape: readonly number[];
  readonly dtype: wire.DType;
  /** Digest of model and layout; a reader with another one is refused. */
  readonly layoutDigest: string;
  /** Pod that it is lent to: another is refused where certificates tell who reads. Absent: whoever has the lease. */
  readonly reader?: string;
  /** Parts in the order in which they become ready. KV: K and V of each layer. Media tokens: one part. */
  readonly segments: readonly TensorSegment[];
  /** Called once, when nobody reads the memory any more: it may be reused. */
  onEnd(reason: LeaseEnd): void;
}

export interface TensorSegment {
  readonly bytes: number;
  /** Resolves when every byte is written; rejects when the tensor will never be complete. */
  ready(signal: AbortSignal): Promise<void>;
  /** The bytes, valid from `ready` to `onEnd`. Memory of a `SharedMemory` is not copied through a socket. */
  view(): Uint8Array;
}

export type LeaseEnd = 'released' | 'expired' | 'failed';
