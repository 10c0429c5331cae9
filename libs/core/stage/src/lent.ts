import type { wire } from '@tercet/contracts';
import type { LentTensor, TensorPort } from './tensor-port.js';

/** A tensor that is lent. */
export interface Loan {
  readonly lease: wire.TensorLease;
  /** Resolves when it was read or its lease ended. @throws the reason of the signal when that comes first */
  ended(signal: AbortSignal): Promise<void>;
  /** Nobody will read it any more. Harmless when it has ended. */
  takeBack(): void;
}

/** The tensors that one stage has lent, so that it can wait for their end or take them back. */
export class LentTensors {
  readonly #tensors: TensorPort;
  readonly #leaseIds = new Set<string>();
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(tensors: TensorPort) {
    this.#tensors = tensors;
  }

  get count(): number {
    return this.#leaseIds.size;
  }

  /** Lends a tensor for the time of a call. */
  lend(source: LentTensor): Loan {
    const end = Promise.withResolvers<void>();
    const onEnd: LentTensor['onEnd'] = (reason) => {
      source.onEnd(reason);
      end.resolve();
    };
    const lease = this.#publish({ ...source, onEnd });
    return {
      lease,
      ended: (signal) => untilEnded(end.promise, signal),
      takeBack: () => this.#tensors.revoke(lease.leaseId),
    };
  }

  #publish(source: LentTensor): wire.TensorLease {
    let leaseId: string | undefined;
    const onEnd: LentTensor['onEnd'] = (reason) => {
      source.onEnd(reason);
      if (leaseId !== undefined) this.#leaseIds.delete(leaseId);
      if (this.#leaseIds.size > 0) return;
      this.#empty?.resolve();
      this.#empty = undefined;
    };
    const lease = this.#tensors.publish({ ...source, onEnd });
    leaseId = lease.leaseId;
    this.#leaseIds.add(leaseId);
    return lease;
  }

  /** Resolves when no tensor is lent any more; when the signal aborts, takes back those that are. */
  async drained(signal: AbortSignal): Promise<void> {
    const takeBack = () => {
      for (const leaseId of [...this.#leaseIds]) this.#tensors.revoke(leaseId);
    };
    if (signal.aborted) takeBack();
    if (this.#leaseIds.size === 0) return;
    this.#empty ??= Promise.withResolvers<void>();
    signal.addEventListener('abort', takeBack, { once: true });
    await this.#empty.promise.finally(() => signal.removeEventListener('abort', takeBack));
  }
}

async function untilEnded(end: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([end, promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
