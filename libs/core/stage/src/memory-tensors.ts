import type { Clock } from '@tercet/base';
import { TercetError, toTercetError, type wire } from '@tercet/contracts';
import type { LentSegment, LentTensor, PullTarget, TensorPort } from './tensor-port.js';

export interface MemoryTensorsOptions {
  /** Most tensors that are lent at a time, and most ended ones that are remembered. */
  readonly leasesMax?: number;
  /** Absent: a lease lives until it is read or taken back. */
  readonly expiry?: { readonly clock: Clock; readonly leaseTtlMs: number };
}

type LeaseEnd = Parameters<LentTensor['onEnd']>[0];

interface Lent {
  readonly lease: wire.TensorLease;
  readonly source: LentTensor;
  readonly dueMs: number;
  /** Aborted when the lease ends, so that whoever reads it stops. */
  readonly ended: AbortController;
}

/**
 * Tensors lent within one process: what the tensor plane does between processes, without sockets. Both pass the suite
 * of `test/contract`.
 */
export class MemoryTensors implements TensorPort {
  readonly #leasesMax: number;
  readonly #expiry: MemoryTensorsOptions['expiry'];
  readonly #lent = new Map<string, Lent>();
  readonly #ended = new Map<string, LeaseEnd>();
  #count = 0;

  constructor({ leasesMax = 256, expiry }: MemoryTensorsOptions = {}) {
    this.#leasesMax = leasesMax;
    this.#expiry = expiry;
  }

  get open(): number {
    return this.#lent.size;
  }

  publish(source: LentTensor): wire.TensorLease {
    this.sweep();
    if (this.#lent.size >= this.#leasesMax) throw new TercetError('overloaded', { leases: this.#leasesMax });
    const { clock, leaseTtlMs } = this.#expiry ?? {};
    const lease: wire.TensorLease = {
      leaseId: `lease-${++this.#count}`,
      endpoint: 'memory',
      generation: 0n,
      expiresUnixMs: BigInt(Math.ceil((clock?.unixMs() ?? 0) + (leaseTtlMs ?? 0))),
      layoutDigest: source.layoutDigest,
      shape: [...source.shape],
      dtype: source.dtype,
      bytes: BigInt(source.segments.reduce((sum, segment) => sum + segment.bytes, 0)),
    };
    const dueMs = (clock?.nowMs() ?? 0) + (leaseTtlMs ?? Number.POSITIVE_INFINITY);
    this.#lent.set(lease.leaseId, { lease, source, dueMs, ended: new AbortController() });
    return { ...lease, shape: [...lease.shape] };
  }

  revoke(leaseId: string): void {
    this.#end(leaseId, 'failed');
  }

  async pull(lease: wire.TensorLease, into: PullTarget, signal: AbortSignal): Promise<{ readonly ms: number }> {
    if (signal.aborted) throw toTercetError(signal.reason, 'cancelled');
    if (into.layoutDigest !== lease.layoutDigest) throw new TercetError('lease_mismatch', { field: 'layoutDigest' });
    const { source, ended } = this.#find(lease);
    const either = AbortSignal.any([signal, ended.signal]);
    for (const [index, segment] of source.segments.entries()) {
      await this.#whenReady(lease.leaseId, segment, either);
      if (segment.bytes === 0) continue;
      const target = into.target(index, segment.bytes);
      if (target.byteLength !== segment.bytes) {
        throw new TercetError('lease_mismatch', { field: 'segment bytes', segment: index, room: target.byteLength });
      }
      target.set(segment.view());
    }
    this.#end(lease.leaseId, 'released');
    return { ms: 0 };
  }

  /** Ends what is due by the clock; every call does it first. */
  sweep(): void {
    const nowMs = this.#expiry?.clock.nowMs() ?? 0;
    for (const [leaseId, { dueMs }] of this.#lent) if (dueMs <= nowMs) this.#end(leaseId, 'expired');
  }

  #find(asked: wire.TensorLease): Lent {
    this.sweep();
    const found = this.#lent.get(asked.leaseId);
    if (found === undefined) throw refusalOf(this.#ended.get(asked.leaseId));
    const { lease } = found;
    for (const field of ['generation', 'layoutDigest', 'dtype', 'bytes'] as const) {
      if (asked[field] !== lease[field]) throw new TercetError('lease_mismatch', { field });
    }
    if (asked.shape.join() !== lease.shape.join()) throw new TercetError('lease_mismatch', { field: 'shape' });
    return found;
  }

  /** @throws tensor_transfer_failed when the source breaks, why the pull or its lease ended when that comes first */
  async #whenReady(leaseId: string, segment: LentSegment, signal: AbortSignal): Promise<void> {
    try {
      await segment.ready(signal);
    } catch (cause) {
      if (!signal.aborted) {
        this.#end(leaseId, 'failed');
        throw new TercetError('tensor_transfer_failed', { reason: 'the tensor was not completed' }, { cause });
      }
    }
    if (signal.aborted) throw toTercetError(signal.reason, 'cancelled');
  }

  #end(leaseId: string, end: LeaseEnd): void {
    const found = this.#lent.get(leaseId);
    if (found === undefined) return;
    this.#lent.delete(leaseId);
    this.#ended.set(leaseId, end);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > this.#leasesMax && oldest !== undefined) this.#ended.delete(oldest);
    found.ended.abort(refusalOf(end));
    found.source.onEnd(end);
  }
}

/** What a reader learns of a lease that is not there, or no more. */
function refusalOf(end: LeaseEnd | undefined): TercetError {
  if (end === undefined) return new TercetError('lease_unknown', {});
  if (end === 'released') return new TercetError('lease_consumed', {});
  if (end === 'expired') return new TercetError('lease_expired', {});
  return new TercetError('tensor_transfer_failed', { reason: 'the owner took the tensor back' });
}
