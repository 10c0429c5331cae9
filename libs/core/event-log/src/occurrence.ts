import type { ErrorCode } from '@tercet/contracts';
import type { ParkReason } from './record.js';
import type { TopicName } from './topics.js';

/** Something about an event log that is worth counting. */
export type Occurrence =
  /** `ms` from the call of publish to the acknowledgement, of the record that waited longest. */
  | { readonly kind: 'published'; readonly topic: TopicName; readonly records: number; readonly ms: number }
  /** Made room for newer ones. */
  | { readonly kind: 'dropped'; readonly topic: TopicName; readonly records: number }
  /** Never taken: its publisher was told so. */
  | { readonly kind: 'refused'; readonly topic: TopicName; readonly code: ErrorCode }
  | { readonly kind: 'parked'; readonly topic: TopicName; readonly group: string; readonly reason: ParkReason }
  /** Came again, and was left out. */
  | { readonly kind: 'duplicate'; readonly topic: TopicName; readonly group: string }
  /** The reader's function threw; the record comes again. */
  | { readonly kind: 'reader failed'; readonly topic: TopicName; readonly group: string; readonly code: ErrorCode }
  /** Records that the group has not handled yet, in the parts that this reader has. */
  | { readonly kind: 'lag'; readonly topic: TopicName; readonly group: string; readonly records: number }
  /** The parts that this reader has are others than before. */
  | { readonly kind: 'rebalanced'; readonly group: string; readonly partitions: number }
  /** The log did not do what it was asked; it is tried again where that may help. */
  | { readonly kind: 'failed'; readonly code: ErrorCode };

export type Observe = (occurrence: Occurrence) => void;
