import type { ErrorCode, ErrorDetails } from '@tercet/contracts';
import type { Occurrence, Outgoing, ParkReason, TopicName } from '@tercet/event-log';
import type { FiledRecord, Member, Place } from './log-file.js';

/** What the thread is opened with. */
export interface ThreadData {
  readonly path: string;
  readonly bytesMax: number;
}

/** Is answered by one reply. */
export type Request =
  | { readonly kind: 'append'; readonly records: readonly Outgoing[] }
  | { readonly kind: 'join'; readonly member: Member }
  | { readonly kind: 'leave'; readonly memberId: string }
  | { readonly kind: 'park'; readonly parked: Parked }
  | { readonly kind: 'close' };

export interface Parked extends FiledRecord {
  readonly topic: TopicName;
  readonly group: string;
  readonly reason: ParkReason;
}

export type ToThread =
  | { readonly kind: 'request'; readonly id: number; readonly request: Request }
  /** The reader is done with a record; with `isLast`, with all that it was given of the place. */
  | {
      readonly kind: 'handled';
      readonly memberId: string;
      readonly place: Place;
      readonly offset: number;
      readonly isLast: boolean;
    };

export type FromThread =
  | { readonly kind: 'reply'; readonly id: number; readonly failure?: Failure }
  | { readonly kind: 'records'; readonly memberId: string; readonly place: Place; readonly records: FiledRecord[] }
  | { readonly kind: 'occurrence'; readonly occurrence: Occurrence }
  /** The file cannot be read any more. */
  | { readonly kind: 'member failed'; readonly memberId: string; readonly failure: Failure };

/** A TercetError as it crosses threads. */
export interface Failure {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}
