import type { TopicName } from '@tercet/event-log';
import type { LogFile, Member, Place } from './log-file.js';
import type { FromThread, ToThread } from './protocol.js';

/** Records that a reader is given of a place at a time. */
const batchMax = 64;

interface ReadPlace extends Place {
  /** Where the group goes on reading, once what was given out is handled. */
  next: number;
  committed: number;
  /** Records were given out and are not all handled. */
  isBusy: boolean;
  /** There may be records that were not given out. */
  mayHaveMore: boolean;
}

/** A member of a group in the thread: the places that it holds, and what it was given of each. */
export class Reader {
  readonly #member: Member;
  readonly #tell: (message: FromThread) => void;
  #places: ReadPlace[] = [];

  constructor(member: Member, tell: (message: FromThread) => void) {
    this.#member = member;
    this.#tell = tell;
  }

  join(file: LogFile, unixMs: number): void {
    file.join(this.#member);
    this.beat(file, unixMs);
  }

  /** Keeps its places, and takes or gives some as other members come and go. */
  beat(file: LogFile, unixMs: number): void {
    this.#commit(file);
    const busy = this.#places.filter(({ isBusy }) => isBusy);
    const held = file.beat(this.#member, busy, unixMs);
    const known = (place: Place) => this.#places.find((other) => isSame(place, other));
    const isOther = held.length !== this.#places.length || held.some((place) => known(place) === undefined);
    this.#places = held.map((place) => {
      return known(place) ?? { ...place, committed: place.next, isBusy: false, mayHaveMore: true };
    });
    const { group, topics } = this.#member;
    if (isOther) this.#tell({ kind: 'occurrence', occurrence: { kind: 'rebalanced', group, partitions: held.length } });
    for (const topic of topics) this.#reportLag(file, topic);
  }

  /** Gives out what is there, of places whose last records were handled. */
  deliver(file: LogFile, changed: boolean): void {
    this.#commit(file);
    for (const place of this.#places) {
      place.mayHaveMore ||= changed;
      if (place.isBusy || !place.mayHaveMore) continue;
      const records = file.read(place, place.next, batchMax);
      place.mayHaveMore = records.length === batchMax;
      if (records.length === 0) continue;
      place.isBusy = true;
      const { topic, partition } = place;
      this.#tell({ kind: 'records', memberId: this.#member.id, place: { topic, partition }, records });
    }
  }

  handled({ place, offset, isLast }: ToThread & { kind: 'handled' }): void {
    const held = this.#places.find((other) => isSame(place, other));
    if (held === undefined) return;
    held.next = offset + 1;
    held.isBusy = !isLast;
  }

  leave(file: LogFile): void {
    this.#commit(file);
    file.leave(this.#member);
  }

  #commit(file: LogFile): void {
    for (const place of this.#places) {
      if (place.committed === place.next) continue;
      file.commit(this.#member, place);
      place.committed = place.next;
    }
  }

  #reportLag(file: LogFile, topic: TopicName): void {
    const places = this.#places.filter((place) => place.topic === topic);
    const records = places.reduce((sum, place) => sum + file.lag(place, place.next), 0);
    const { group } = this.#member;
    this.#tell({ kind: 'occurrence', occurrence: { kind: 'lag', topic, group, records } });
  }
}

function isSame(a: Place, b: Place): boolean {
  return a.topic === b.topic && a.partition === b.partition;
}
