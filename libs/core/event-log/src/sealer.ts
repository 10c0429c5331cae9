import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { NewEvent } from './event-log.js';

/** Of `events.proto`; a reader of another version parks the record. */
export const eventVersion = 1;
/** A larger payload is written elsewhere and named in the record. */
export const eventBytesMax = 256 * 1024;

/** Gives the records of one producer what every record has: version, producer, sequence and time. */
export class Sealer {
  readonly #producerId: string;
  readonly #clock: Clock;
  #sequence = 0n;

  /** @param producerId unique for each start of a process: its sequence begins at 1 */
  constructor(producerId: string, clock: Clock) {
    this.#producerId = producerId;
    this.#clock = clock;
  }

  /** @throws event_invalid when the record is larger than {@link eventBytesMax} */
  seal({ body, traceparent = '' }: NewEvent): Uint8Array {
    const sequence = this.#sequence + 1n;
    const event = {
      version: eventVersion,
      producerId: this.#producerId,
      sequence,
      unixMs: BigInt(this.#clock.unixMs()),
      traceparent,
      body,
    };
    const value = wire.Event.encode(event).finish();
    if (value.length > eventBytesMax) throw new TercetError('event_invalid', { bytes: value.length, eventBytesMax });
    this.#sequence = sequence;
    return value;
  }
}
