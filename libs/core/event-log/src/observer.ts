import type { UnreadableReason } from './reading.js';
import type { TopicName } from './topics.js';

/** What a log tells of itself, for metrics. */
export interface EventLogObserver {
  /** A record was lost because the log was slower than its writers. */
  dropped?(topic: TopicName): void;
  /** A record could not be read and was put aside. */
  parked?(topic: TopicName, reason: UnreadableReason): void;
  /** A reader's record came again because what it did with it failed. */
  retried?(topic: TopicName, error: unknown): void;
  /** A record that had been written twice was left out. */
  repeated?(topic: TopicName): void;
  /** The log could not be reached or written, and is tried again. */
  failed?(error: unknown): void;
  /** A group's readers share the parts in another way now. */
  rebalanced?(group: string): void;
  /** Records that a group has not read yet. */
  lag?(group: string, topic: TopicName, records: number): void;
}
