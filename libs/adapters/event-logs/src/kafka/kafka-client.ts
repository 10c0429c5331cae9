import type { TopicSpec } from './settings.js';

/** A record to write, under the name that the broker knows its topic by. */
export interface KafkaRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A record as it was read. */
export interface FetchedRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly offset: bigint;
}

export interface Reading {
  readonly group: string;
  readonly topics: readonly string[];
  readonly from: 'earliest' | 'latest';
  /** Called for the records of a partition one after the other; a record that it rejects is not done with. */
  onRecord(record: FetchedRecord): Promise<void>;
  /** Partitions that this reader has now. */
  onAssigned(partitions: number): void;
  /** Records of a topic that the group is not done with, in those partitions. */
  onLag(topic: string, records: number): void;
  /** Something failed that does not break the reading off. */
  onFailure(error: unknown): void;
}

/** What this package needs of a Kafka client. Failures are what the client throws. */
export interface KafkaClient {
  /** Connects, and makes the topics that are missing. */
  connect(topics: readonly TopicSpec[]): Promise<void>;
  /** Resolves when every replica in sync has them. */
  send(records: readonly KafkaRecord[]): Promise<void>;
  /** Resolves when the signal aborts. @throws whatever breaks it off; read again, the group goes on where it was */
  read(reading: Reading, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Between two looks at how far behind a group is. */
export const lagIntervalMs = 5000;
export const connectTimeoutMs = 3000;
export const requestTimeoutMs = 10_000;
/**
 * A broker answers a reader that waits after this time, also when there is nothing. What else a reader asks on that
 * connection may have to wait for it: with 250 ms the p99 of `bench kafka` was 256 ms with kafkajs, with 50 ms 123 ms.
 */
export const fetchWaitMs = 50;
/** A reader that was not heard of for so long is gone, and the others share its partitions. */
export const sessionMs = { timeout: 10_000, heartbeat: 2000 };
