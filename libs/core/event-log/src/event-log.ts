import type { wire } from '@tercet/contracts';
import type { TopicName } from './topics.js';

export type EventBody = NonNullable<wire.Event['body']>;

export interface NewEvent {
  /** Records of one key keep their order. */
  readonly key: string;
  readonly body: EventBody;
  /** W3C trace context of the request that it belongs to. */
  readonly traceparent?: string;
}

/** A record as a reader gets it. */
export interface StoredEvent {
  readonly topic: TopicName;
  readonly key: string;
  /** Place of the record in its part of the topic: grows with every record, not always by one. */
  readonly offset: bigint;
  readonly event: wire.Event;
}

export interface Subscription {
  readonly topics: readonly TopicName[];
  /** Readers with the same group share the records among them, and a group goes on where it was. */
  readonly group: string;
  /** Where a group begins that was never there before. */
  readonly from: 'earliest' | 'latest';
  /**
   * Called for one record of a key at a time, in their order. When it throws, the record comes again; a record comes
   * again as well when the reader ended before its offset was kept, so what it does must be harmless twice.
   */
  onEvent(event: StoredEvent, signal: AbortSignal): Promise<void>;
}

/**
 * Port: a log of facts and jobs. Order per key, delivery at least once, offsets per group. Kafka in a cluster, a file
 * on one machine; both pass `test/contract`.
 */
export interface EventLog extends AsyncDisposable {
  /**
   * Resolves when the record cannot be lost any more.
   * @throws event_log_unavailable when it could not be written, or its buffer is full
   */
  publish(topic: TopicName, event: NewEvent): Promise<void>;
  /** Resolves when the signal aborts. @throws event_log_unavailable when it cannot begin */
  subscribe(subscription: Subscription, signal: AbortSignal): Promise<void>;
}
