import type { wire } from '@tercet/contracts';
import type { LentTensor, TensorPort } from './tensor-port.js';

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

  publish(source: LentTensor): wire.TensorLease {
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

  revoke(leaseId: string): void {
    this.#tensors.revoke(leaseId);
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
