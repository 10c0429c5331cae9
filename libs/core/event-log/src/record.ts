import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { NewEvent } from './event-log.js';

/** Version of the definition that this build writes, and the newest that it reads. */
export const eventVersion = 1;

/** A larger payload lies elsewhere, and its record says where. */
export const recordBytesMax = 256 * 1024;

/** Why a reader could not use a record. */
export type ParkReason = 'not an event' | 'unknown version' | 'unknown body' | 'refused by its reader';

export type OpenedRecord =
  | { readonly kind: 'event'; readonly event: wire.Event }
  | { readonly kind: 'unreadable'; readonly reason: ParkReason };

/** Fills in what every record says of itself: version, who wrote it, its sequence number and its time. */
export class RecordSealer {
  readonly #producerId: string;
  readonly #clock: Clock;
  #sequence = 0n;

  /** @param producerId of one start of a process: sequence numbers begin again with the next */
  constructor(producerId: string, clock: Clock) {
    this.#producerId = producerId;
    this.#clock = clock;
  }

  /** The record's bytes. @throws event_invalid when there are too many */
  seal({ body, traceparent = '' }: NewEvent): Uint8Array {
    const bytes = wire.Event.encode({
      version: eventVersion,
      producerId: this.#producerId,
      sequence: ++this.#sequence,
      unixMs: BigInt(Math.floor(this.#clock.unixMs())),
      traceparent,
      body,
    }).finish();
    if (bytes.length <= recordBytesMax) return bytes;
    throw new TercetError('event_invalid', { body: body.$case, bytes: bytes.length, recordBytesMax });
  }
}

/** What the bytes of a record say, or why nobody can tell. */
export function openRecord(bytes: Uint8Array): OpenedRecord {
  const event = tryDecode(bytes);
  if (event === undefined || event.version === 0 || event.producerId === '') return unreadable('not an event');
  if (event.version > eventVersion) return unreadable('unknown version');
  return event.body === undefined ? unreadable('unknown body') : { kind: 'event', event };
}

function tryDecode(bytes: Uint8Array): wire.Event | undefined {
  try {
    return wire.Event.decode(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(reason: ParkReason): OpenedRecord {
  return { kind: 'unreadable', reason };
}
