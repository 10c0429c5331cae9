import { TercetError, wire } from '@tercet/contracts';
import { changesOf, type Keys, keyCountOf, snapshotOf } from './messages.js';

export interface FactJournalOptions {
  /** Random, new with each start of the process. */
  readonly generation: bigint;
  /** Keys in the changes that are kept for readers which are behind; older changes go. */
  readonly keptKeysMax?: number;
  /** Keys in one message; one takes 8 bytes. */
  readonly messageKeysMax?: number;
  readonly readersMax?: number;
}

/** What came into a cache and went out of it; nothing is in both. */
export interface CacheChange {
  readonly stored: readonly number[];
  readonly evicted: readonly number[];
}

const defaults = { keptKeysMax: 65_536, messageKeysMax: 16_384, readersMax: 256 };
const { ROLE_ENCODE, ROLE_PREFILL, ROLE_UNSPECIFIED } = wire.Role;
const reasons = {
  first: wire.ResyncReason.RESYNC_REASON_FIRST,
  restarted: wire.ResyncReason.RESYNC_REASON_RESTARTED,
  expired: wire.ResyncReason.RESYNC_REASON_EXPIRED,
  slow: wire.ResyncReason.RESYNC_REASON_SLOW,
};
type Reason = keyof typeof reasons;

/**
 * What this worker has cached, for any number of readers. Changes get numbers and the latest are kept; a reader is a
 * place among them and nothing more, so a slow one costs no memory: when its place is gone it gets a snapshot. Of the
 * caches, readers hear what serves the role of now: prefixes of a prefill pod, media tokens of an encode pod.
 */
export class FactJournal {
  /** Snapshots that readers got, by why. */
  readonly resyncs = { first: 0, restarted: 0, expired: 0, slow: 0 };
  readonly #options: Required<FactJournalOptions>;
  readonly #prefixes = new Set<number>();
  readonly #media = new Set<number>();
  /** By their numbers, without holes, the oldest first. */
  readonly #kept = new Map<bigint, wire.FactsMessage>();
  #keptKeys = 0;
  #sequence = 0n;
  #role = ROLE_UNSPECIFIED;
  #epoch = 0n;
  #readers = 0;
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  constructor(options: FactJournalOptions) {
    this.#options = { ...defaults, ...options };
  }

  /** Changes there have been. */
  get sequence(): bigint {
    return this.#sequence;
  }

  changePrefixes({ stored, evicted }: CacheChange): void {
    apply(this.#prefixes, { stored, evicted });
    if (this.#role === ROLE_PREFILL) this.#tell({ prefixBlocksStored: stored, prefixBlocksEvicted: evicted });
  }

  changeMedia({ stored, evicted }: CacheChange): void {
    apply(this.#media, { stored, evicted });
    if (this.#role === ROLE_ENCODE) this.#tell({ mediaCached: stored, mediaEvicted: evicted });
  }

  /** What was told before is over; what is cached and serves the new role is told anew. */
  setRole({ role, epoch }: { readonly role: wire.Role; readonly epoch: bigint }): void {
    if (role === this.#role && epoch === this.#epoch) return;
    this.#role = role;
    this.#epoch = epoch;
    this.#add({ $case: 'cleared', value: {} }, 0);
    const { prefixBlocks, media } = this.#told();
    this.#tell({ prefixBlocksStored: prefixBlocks, mediaCached: media });
  }

  /**
   * Whatever is cached and every change of it, from where the reader says that it is.
   * @throws overloaded when there are too many readers
   */
  async *watch(from: wire.WatchFactsRequest, signal: AbortSignal): AsyncGenerator<wire.FactsMessage> {
    const { readersMax } = this.#options;
    if (this.#readers >= readersMax) throw new TercetError('overloaded', { readersMax });
    this.#readers++;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    try {
      let place = from.sequence;
      const reason = this.#whyNot(from);
      if (reason === undefined) yield { ...this.#message({ $case: 'resumed', value: {} }), sequence: place };
      else place = yield* this.#resync(reason);
      while (!signal.aborted && !this.#isClosed) {
        if (place === this.#sequence) await this.#changed.promise;
        else if (!this.#kept.has(place + 1n)) place = yield* this.#resync('slow');
        else yield this.#kept.get(++place) as wire.FactsMessage;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#readers--;
    }
  }

  /** Ends every reader's stream. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** Why a reader cannot go on from where it is. */
  #whyNot({ generation, sequence }: wire.WatchFactsRequest): Reason | undefined {
    if (generation === 0n) return 'first';
    if (generation !== this.#options.generation) return 'restarted';
    return sequence === this.#sequence || this.#kept.has(sequence + 1n) ? undefined : 'expired';
  }

  *#resync(reason: Reason): Generator<wire.FactsMessage, bigint> {
    const { messageKeysMax } = this.#options;
    this.resyncs[reason]++;
    yield this.#message({ $case: 'resync', value: { reason: reasons[reason] } });
    const now = this.#message(undefined);
    for (const value of snapshotOf(this.#told(), messageKeysMax)) yield { ...now, body: { $case: 'snapshot', value } };
    return now.sequence;
  }

  #told(): { readonly prefixBlocks: readonly number[]; readonly media: readonly number[] } {
    return {
      prefixBlocks: this.#role === ROLE_PREFILL ? [...this.#prefixes] : [],
      media: this.#role === ROLE_ENCODE ? [...this.#media] : [],
    };
  }

  #tell(keys: Keys): void {
    const { messageKeysMax } = this.#options;
    for (const change of changesOf(keys, messageKeysMax)) {
      this.#add({ $case: 'change', value: change }, keyCountOf(change));
    }
  }

  #add(body: NonNullable<wire.FactsMessage['body']>, keyCount: number): void {
    this.#sequence++;
    this.#kept.set(this.#sequence, this.#message(body));
    // A message without keys takes room as well.
    this.#keptKeys += 1 + keyCount;
    for (const [sequence, { body: oldest }] of this.#kept) {
      if (this.#keptKeys <= this.#options.keptKeysMax) break;
      this.#kept.delete(sequence);
      this.#keptKeys -= 1 + (oldest?.$case === 'change' ? keyCountOf(oldest.value) : 0);
    }
    this.#wake();
  }

  #message(body: wire.FactsMessage['body']): wire.FactsMessage {
    const { generation } = this.#options;
    return { generation, sequence: this.#sequence, role: this.#role, epoch: this.#epoch, body };
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function apply(cache: Set<number>, { stored, evicted }: CacheChange): void {
  for (const key of evicted) cache.delete(key);
  for (const key of stored) cache.add(key);
}
