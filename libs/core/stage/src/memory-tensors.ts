import { TercetError, type wire } from '@tercet/contracts';
import type { LentTensor, PullTarget, TensorPort } from './tensor-port.js';

/** Tensors lent within one process: what the tensor plane does between processes, without sockets or time. */
export class MemoryTensors implements TensorPort {
  readonly #lent = new Map<string, LentTensor>();
  #count = 0;

  get open(): number {
    return this.#lent.size;
  }

  publish(source: LentTensor): wire.TensorLease {
    const leaseId = `lease-${++this.#count}`;
    this.#lent.set(leaseId, source);
    const bytes = BigInt(source.segments.reduce((sum, segment) => sum + segment.bytes, 0));
    const { shape, dtype, layoutDigest } = source;
    const address = { leaseId, endpoint: 'memory', generation: 0n, expiresUnixMs: 0n };
    return { ...address, layoutDigest, shape: [...shape], dtype, bytes };
  }

  revoke(leaseId: string): void {
    this.#end(leaseId, 'failed');
  }

  async pull(lease: wire.TensorLease, into: PullTarget, signal: AbortSignal): Promise<{ readonly ms: number }> {
    const source = this.#lent.get(lease.leaseId);
    if (source === undefined) throw new TercetError('lease_unknown', { leaseId: lease.leaseId });
    if (into.layoutDigest !== source.layoutDigest) throw new TercetError('lease_mismatch', { field: 'layoutDigest' });
    for (const [index, segment] of source.segments.entries()) {
      await segment.ready(signal);
      signal.throwIfAborted();
      into.target(index, segment.bytes).set(segment.view());
    }
    this.#end(lease.leaseId, 'released');
    return { ms: 0 };
  }

  #end(leaseId: string, reason: 'released' | 'failed'): void {
    const source = this.#lent.get(leaseId);
    this.#lent.delete(leaseId);
    source?.onEnd(reason);
  }
}
