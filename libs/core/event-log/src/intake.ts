import { TercetError, toTercetError, type wire } from '@tercet/contracts';
import { Duplicates } from './duplicates.js';
import type { Subscription } from './event-log.js';
import type { Observe } from './occurrence.js';
import type { Outgoing, Sleep } from './publisher.js';
import { openRecord, type ParkReason } from './record.js';
import { topics } from './topics.js';

/** A record as a log gives it back. */
export interface KeptRecord extends Outgoing {
  readonly offset: bigint;
}

export interface IntakeOptions {
  readonly subscription: Subscription;
  readonly sleep: Sleep;
  readonly observe: Observe;
  /** Keeps a record that cannot be used where a person finds it. */
  park(record: KeptRecord, reason: ParkReason): Promise<void>;
}

const producersMax = 4096;
const backOffMs = { first: 50, max: 5000 };

/**
 * The reading side of every event log: opens records, leaves out repetitions, gives the rest to the reader until it
 * has taken them, and puts aside what nobody can use.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #duplicates = new Duplicates(producersMax);

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the group is done with the record, however often its reader has to be asked.
   * @throws event_invalid on a topic that bears no gap, the signal's reason when it aborts first
   */
  async take(record: KeptRecord, signal: AbortSignal): Promise<void> {
    const { observe, sleep, subscription } = this.#options;
    for (let delayMs = backOffMs.first; ; delayMs = Math.min(2 * delayMs, backOffMs.max)) {
      signal.throwIfAborted();
      try {
        return await this.#takeOnce(record, signal);
      } catch (error) {
        const { code } = toTercetError(error);
        if (code === 'event_invalid') throw error;
        observe({ kind: 'reader failed', topic: record.topic, group: subscription.group, code });
        await sleep(delayMs, signal);
      }
    }
  }

  async #takeOnce(record: KeptRecord, signal: AbortSignal): Promise<void> {
    const opened = openRecord(record.bytes);
    const why = opened.kind === 'event' ? await this.#deliver(record, opened.event, signal) : opened.reason;
    if (why !== undefined) await this.#putAside(record, why);
  }

  async #deliver(record: KeptRecord, event: wire.Event, signal: AbortSignal): Promise<ParkReason | undefined> {
    const { observe, subscription } = this.#options;
    const { topic, key, offset } = record;
    if (this.#duplicates.has(event)) {
      observe({ kind: 'duplicate', topic, group: subscription.group });
      return undefined;
    }
    try {
      await subscription.onEvent({ topic, key, offset, event }, signal);
    } catch (error) {
      if (toTercetError(error).code === 'event_invalid') return 'refused by its reader';
      throw error;
    }
    this.#duplicates.add(event);
    return undefined;
  }

  async #putAside(record: KeptRecord, reason: ParkReason): Promise<void> {
    const { topic, offset } = record;
    const { group } = this.#options.subscription;
    if (topics[topic].unreadable === 'stop') {
      throw new TercetError('event_invalid', { topic: topics[topic].name, group, offset, reason });
    }
    await this.#options.park(record, reason);
    this.#options.observe({ kind: 'parked', topic, group, reason });
  }
}
