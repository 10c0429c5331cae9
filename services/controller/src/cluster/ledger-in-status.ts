import { TercetError } from '@tercet/contracts';
import type { Ledger, LedgerStore } from '@tercet/controller-core';
import type { ServingPools } from '@tercet/kubernetes';
import { LedgerDocument, toDocument } from '../ledger/ledger-document.js';

export interface LedgerInStatusOptions {
  readonly pools: Pick<ServingPools, 'read' | 'writeStatus'>;
  readonly pool: string;
  /** Of the leader that writes. */
  readonly term: number;
  readonly signal: AbortSignal;
}

/** The ledger in the status of its pool's resource: whoever leads next finds it there. */
export class LedgerInStatus implements LedgerStore {
  readonly #options: LedgerInStatusOptions;

  constructor(options: LedgerInStatusOptions) {
    this.#options = options;
  }

  /** @throws ledger_invalid, cluster_unavailable, cluster_refused */
  async load(): Promise<Ledger | undefined> {
    const { pools, pool, signal } = this.#options;
    const { ledger } = (await pools.read(pool, signal)).status;
    if (ledger === undefined) return undefined;
    const read = LedgerDocument.safeParse(ledger);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    const advice = 'remove status.ledger to begin anew: pods keep the roles that they have';
    throw new TercetError('ledger_invalid', { pool, problem: `${issue?.path.join('.')}: ${issue?.message}`, advice });
  }

  /** @throws leadership_lost, cluster_unavailable, cluster_refused, cluster_conflict */
  async save(ledger: Ledger): Promise<void> {
    const { pools, pool, term, signal } = this.#options;
    await pools.writeStatus(pool, { ledger: toDocument(ledger) }, { term, signal });
  }
}
