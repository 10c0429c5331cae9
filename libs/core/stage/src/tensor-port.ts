import type { wire } from '@tercet/contracts';

/** Port: moves tensors between stage processes under leases. The tensor plane implements it. */
export interface TensorPort {
  /** Lends a tensor whose segments need not be ready yet. @throws overloaded when every lease is taken */
  publish(source: LentTensor): wire.TensorLease;
  /** Takes a tensor back before anybody released it; `onEnd('failed')` follows. Harmless when it has ended. */
  revoke(leaseId: string): void;
  /**
   * Reads a lent tensor into memory of the caller, segment by segment as its owner completes them, and releases it.
   * @throws lease_unknown, lease_expired, lease_consumed, lease_mismatch, tensor_corrupt, tensor_transfer_failed
   */
  pull(lease: wire.TensorLease, into: PullTarget, signal: AbortSignal): Promise<{ readonly ms: number }>;
}

export interface LentTensor {
  readonly shape: readonly number[];
  readonly dtype: wire.DType;
  readonly layoutDigest: string;
  /** Pod that it is lent to; absent or empty: whoever has the lease. */
  readonly reader?: string;
  /** In the order in which they become ready. KV: K and V of each layer. Media tokens: one. */
  readonly segments: readonly LentSegment[];
  /** Called once, when nobody reads the memory any more. */
  onEnd(reason: 'released' | 'expired' | 'failed'): void;
}

export interface LentSegment {
  readonly bytes: number;
  ready(signal: AbortSignal): Promise<void>;
  view(): Uint8Array;
}

export interface PullTarget {
  readonly layoutDigest: string;
  target(segment: number, bytes: number): Uint8Array;
}
