/** What a topic is for, and how it is made. */
export interface Topic {
  readonly name: string;
  readonly partitions: number;
  /** A record is gone after this time; `undefined` keeps it until its log is trimmed by its reader. */
  readonly retentionMs: number | undefined;
  /** What happens when the log is slower than its writers: these records can be lost, the oldest first, or never. */
  readonly whenFull: 'drop oldest' | 'refuse';
  /** What a reader does with a record that it cannot read: puts it aside and goes on, or ends, since a gap is worse. */
  readonly unreadable: 'park' | 'stop';
}

const minute = 60_000;
const day = 24 * 60 * minute;
const kept = { whenFull: 'refuse', unreadable: 'park' } as const;

export const topics = {
  load: {
    name: 'tercet.load',
    partitions: 4,
    retentionMs: 10 * minute,
    whenFull: 'drop oldest',
    unreadable: 'park',
  },
  roles: { name: 'tercet.roles', partitions: 1, retentionMs: 30 * day, ...kept },
  jobs: { name: 'tercet.jobs', partitions: 4, retentionMs: 30 * day, ...kept },
  results: { name: 'tercet.results', partitions: 4, retentionMs: 30 * day, ...kept },
  vectors: { name: 'tercet.vectors', partitions: 16, retentionMs: undefined, whenFull: 'refuse', unreadable: 'stop' },
  cache: { name: 'tercet.cache', partitions: 1, retentionMs: day, ...kept },
} as const satisfies Record<string, Topic>;

export type TopicName = keyof typeof topics;

export const topicNames = Object.keys(topics) as TopicName[];

/** Where records that no reader could read are kept for a person to look at; they are bytes, not events. */
export const parkedTopic = {
  name: 'tercet.parked',
  partitions: 1,
  retentionMs: 30 * day,
  whenFull: 'refuse',
  unreadable: 'park',
} as const satisfies Topic;

const encoder = new TextEncoder();

/** The part of a topic that the records of a key lie in: FNV-1a of its UTF-8 bytes, modulo the number of parts. */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}
