/** A lease of the cluster as somebody last wrote it. */
export interface LeaseRecord {
  /** Empty when its holder gave it up. */
  readonly holder: string;
  readonly durationMs: number;
  /** Grows with every holder. */
  readonly term: number;
  /** Changes with every write; nothing else is known of it. */
  readonly version: string;
}

/** What was seen of a lease, by the clock of who saw it. */
export interface LeaseSighting {
  readonly record: LeaseRecord;
  readonly firstSeenMs: number;
}

export type LeaseStep =
  | { readonly kind: 'create' }
  | { readonly kind: 'renew'; readonly term: number }
  | { readonly kind: 'take'; readonly term: number }
  | { readonly kind: 'wait'; readonly holder: string };

/** The sighting after another look: a record that did not change was first seen when it was. */
export function sighted(before: LeaseSighting | undefined, record: LeaseRecord, nowMs: number): LeaseSighting {
  return before?.record.version === record.version ? before : { record, firstSeenMs: nowMs };
}

/**
 * What a candidate does about a lease. Nobody compares the times in it with a clock of its own, since the clocks of
 * machines differ: a holder is gone when its record stood unchanged for the whole duration by the candidate's clock.
 */
export function leaseStep(me: string, sighting: LeaseSighting | undefined, nowMs: number): LeaseStep {
  if (sighting === undefined) return { kind: 'create' };
  const { record, firstSeenMs } = sighting;
  const { holder, term, durationMs } = record;
  if (holder === me) return { kind: 'renew', term };
  if (holder === '' || nowMs - firstSeenMs >= durationMs) return { kind: 'take', term: term + 1 };
  return { kind: 'wait', holder };
}
