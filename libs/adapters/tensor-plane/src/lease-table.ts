import { randomBytes } from 'node:crypto';
import { type Clock, namesPod } from '@tercet/base';
import { TercetError, type wire } from '@tercet/contracts';
import type { LeaseEnd, TensorSource } from './tensor-source.js';
import { TensorSums } from './tensor-sums.js';
import type { TransferKernels } from './transfer-kernels.js';

export interface LeaseTableOptions {
  readonly clock: Clock;
  readonly endpoint: string;
  readonly generation: bigint;
  readonly leaseTtlMs: number;
  /** How long an expired tensor stays untouched: longer than the longest transfer. */
  readonly quarantineMs: number;
  readonly leasesMax: number;
  readonly kernels: TransferKernels;
}

export interface LeaseEntry {
  readonly lease: wire.TensorLease;
  readonly source: TensorSource;
  readonly sums: TensorSums;
  /** Aborted when the lease ends, so that pulls of it stop. */
  readonly ended: AbortController;
}

interface Entry extends LeaseEntry {
  state: 'live' | 'quarantined' | 'ending';
  end: LeaseEnd;
  /** Live: when it expires. Quarantined: when its memory may be reused. */
  dueMs: number;
  holds: number;
  pulls: number;
}

/**
 * Who may read what, and until when. Live → released, or live → expired → quarantined → ended; `onEnd` comes when the
 * last hold on the memory is gone. Ended leases are remembered (at most `leasesMax`), so that a late reader learns why.
 */
export class LeaseTable {
  readonly #options: LeaseTableOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new Map<string, LeaseEnd>();
  readonly counters = { published: 0, released: 0, expired: 0, failed: 0, rereads: 0, refused: 0 };

  constructor(options: LeaseTableOptions) {
    this.#options = options;
  }

  /** @throws overloaded when every lease is taken */
  publish(source: TensorSource): wire.TensorLease {
    const { clock, endpoint, generation, leaseTtlMs, leasesMax } = this.#options;
    if (this.#entries.size >= leasesMax) throw new TercetError('overloaded', { leases: leasesMax });
    const lease: wire.TensorLease = {
      leaseId: randomBytes(16).toString('hex'),
      endpoint,
      generation,
      layoutDigest: source.layoutDigest,
      shape: [...source.shape],
      dtype: source.dtype,
      bytes: BigInt(source.segments.reduce((sum, segment) => sum + segment.bytes, 0)),
      expiresUnixMs: BigInt(Math.ceil(clock.unixMs() + leaseTtlMs)),
    };
    const dueMs = clock.nowMs() + leaseTtlMs;
    const ended = new AbortController();
    const sums = new TensorSums(source, this.#options.kernels, ended.signal);
    const entry: Entry = { lease, source, sums, ended, state: 'live', end: 'released', dueMs, holds: 0, pulls: 0 };
    this.#entries.set(lease.leaseId, entry);
    sums.finished.catch(() => this.fail(lease.leaseId));
    this.counters.published++;
    return lease;
  }

  /**
   * The live lease that a reader names.
   * @param names of the reader's certificate; absent where there are none to go by
   * @throws lease_unknown, lease_expired, lease_consumed, lease_mismatch
   */
  open(asked: wire.TensorLease, names?: readonly string[]): LeaseEntry {
    this.sweep();
    const entry = this.#find(asked.leaseId, asked.generation);
    const { reader = '' } = entry.source;
    if (names !== undefined && reader !== '' && !namesPod(names, reader)) {
      throw this.#refuse('lease_mismatch', { field: 'reader' });
    }
    const difference = firstDifference(entry.lease, asked);
    if (difference !== undefined) throw this.#refuse('lease_mismatch', { field: difference });
    entry.pulls++;
    if (entry.pulls > 1) this.counters.rereads++;
    return entry;
  }

  /** Still readable? Then it lives on for another ttl: a pull that moves keeps its lease. */
  renew(leaseId: string): void {
    this.sweep();
    this.#find(leaseId, this.#options.generation).dueMs = this.#options.clock.nowMs() + this.#options.leaseTtlMs;
  }

  /** The reader holds its copy. @throws lease_unknown, lease_expired, lease_consumed */
  release(leaseId: string): void {
    this.sweep();
    this.#end(this.#find(leaseId, this.#options.generation), 'released');
  }

  /** The tensor will never be complete, or its owner takes it back. Unknown and ended leases are left alone. */
  fail(leaseId: string): void {
    const entry = this.#entries.get(leaseId);
    if (entry?.state === 'live') this.#end(entry, 'failed');
  }

  /** Bytes of the tensor are on their way to a socket: `onEnd` waits for the returned function. */
  hold(held: LeaseEntry): () => void {
    const entry = this.#entries.get(held.lease.leaseId);
    if (entry === undefined) throw new Error('bug: hold on a lease that has ended');
    entry.holds++;
    return () => {
      entry.holds--;
      this.#finish(entry);
    };
  }

  /** Moves every lease to the state that the clock asks for. Called by a timer and before every answer. */
  sweep(): void {
    const now = this.#options.clock.nowMs();
    for (const entry of this.#entries.values()) {
      if (entry.dueMs > now || entry.state === 'ending') continue;
      if (entry.state === 'live') this.#expire(entry, now);
      else this.#finish(entry, 'due');
    }
  }

  /** Ends every lease at once; only for shutdown, when no pull runs any more. */
  close(): void {
    for (const entry of this.#entries.values()) {
      entry.ended.abort(new TercetError('tensor_transfer_failed', { reason: 'the owner closes' }));
      if (entry.state === 'live') entry.end = 'failed';
      entry.state = 'ending';
      entry.holds = 0;
      this.#finish(entry);
    }
  }

  gauges(): { leases: number; leasedBytes: number; quarantined: number; quarantinedBytes: number } {
    const gauges = { leases: 0, leasedBytes: 0, quarantined: 0, quarantinedBytes: 0 };
    for (const { state, lease } of this.#entries.values()) {
      if (state === 'live') {
        gauges.leases++;
        gauges.leasedBytes += Number(lease.bytes);
      } else {
        gauges.quarantined++;
        gauges.quarantinedBytes += Number(lease.bytes);
      }
    }
    return gauges;
  }

  #find(leaseId: string, generation: bigint): Entry {
    if (generation !== this.#options.generation) {
      throw this.#refuse('lease_mismatch', { field: 'generation', asked: generation });
    }
    const entry = this.#entries.get(leaseId);
    if (entry?.state === 'live') return entry;
    const end = entry?.end ?? this.#ended.get(leaseId);
    if (end === undefined) throw this.#refuse('lease_unknown', {});
    if (end === 'released') throw this.#refuse('lease_consumed', {});
    if (end === 'expired') throw this.#refuse('lease_expired', {});
    throw this.#refuse('tensor_transfer_failed', { reason: 'the owner took the tensor back' });
  }

  #refuse(code: TercetError['code'], details: TercetError['details']): TercetError {
    this.counters.refused++;
    return new TercetError(code, details);
  }

  #expire(entry: Entry, now: number): void {
    entry.state = 'quarantined';
    entry.end = 'expired';
    entry.dueMs = now + this.#options.quarantineMs;
    this.counters.expired++;
    entry.ended.abort(new TercetError('lease_expired', {}));
  }

  #end(entry: Entry, end: 'released' | 'failed'): void {
    entry.state = 'ending';
    entry.end = end;
    this.counters[end]++;
    const code = end === 'released' ? 'lease_consumed' : 'tensor_transfer_failed';
    entry.ended.abort(new TercetError(code, {}));
    this.#finish(entry);
  }

  /** Gives the memory back when no byte of it is on its way and no quarantine protects it. */
  #finish(entry: Entry, quarantine: 'kept' | 'due' = 'kept'): void {
    const { leaseId } = entry.lease;
    if (quarantine === 'due') entry.state = 'ending';
    if (entry.state !== 'ending' || entry.holds > 0 || !this.#entries.delete(leaseId)) return;
    this.#ended.set(leaseId, entry.end);
    const oldest = this.#ended.keys().next();
    if (this.#ended.size > this.#options.leasesMax && !oldest.done) this.#ended.delete(oldest.value);
    entry.source.onEnd(entry.end);
  }
}

/** The endpoint and the expiry may differ: the first is how the reader came here, the second moves. */
function firstDifference(ours: wire.TensorLease, asked: wire.TensorLease): string | undefined {
  if (asked.layoutDigest !== ours.layoutDigest) return 'layoutDigest';
  if (asked.dtype !== ours.dtype) return 'dtype';
  if (asked.bytes !== ours.bytes) return 'bytes';
  const same = asked.shape.length === ours.shape.length && asked.shape.every((size, axis) => size === ours.shape[axis]);
  return same ? undefined : 'shape';
}
