import { wire } from '@tercet/contracts';
import { eventVersion } from './sealer.js';

export type Read =
  | { readonly kind: 'event'; readonly event: wire.Event }
  | { readonly kind: 'unreadable'; readonly reason: UnreadableReason };

/** Why a record was put aside. A closed set, so that it can label a metric. */
export type UnreadableReason = 'malformed' | 'unknown version' | 'unknown body';

/** A record as it was sealed, or why it cannot be read. */
export function readEvent(value: Uint8Array): Read {
  let event: wire.Event;
  try {
    event = wire.Event.decode(value);
  } catch {
    return { kind: 'unreadable', reason: 'malformed' };
  }
  if (event.producerId === '' || event.sequence === 0n) return { kind: 'unreadable', reason: 'malformed' };
  if (event.version !== eventVersion) return { kind: 'unreadable', reason: 'unknown version' };
  if (event.body === undefined) return { kind: 'unreadable', reason: 'unknown body' };
  return { kind: 'event', event };
}

const producersMax = 10_000;

/**
 * Tells records that were written twice, as a producer does that did not hear of its first write. Within one part of a
 * topic the sequence of a producer only grows, so that its highest one is all that must be remembered; of the producers
 * the ones that were heard last.
 */
export class RepetitionFilter {
  readonly #highest = new Map<string, bigint>();

  /** @returns true when this record, or a later one of its producer, was seen in this part before */
  isRepeated(part: string, { producerId, sequence }: wire.Event): boolean {
    const key = `${part}/${producerId}`;
    const highest = this.#highest.get(key);
    if (highest !== undefined && sequence <= highest) return true;
    this.#highest.delete(key);
    this.#highest.set(key, sequence);
    if (this.#highest.size > producersMax) {
      const [oldest] = this.#highest.keys();
      if (oldest !== undefined) this.#highest.delete(oldest);
    }
    return false;
  }
}
