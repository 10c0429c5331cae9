/** What a topic is for, and how it is made. */
export interface Topic {
  readonly name: string;
  readonly partitions: number;
  /** A record is gone after this time; `undefined` keeps it until its log is trimmed by its reader. */
  readonly retentionMs: number | undefined;
  /** What happens when the log is slower than its writers: these records can be lost, the oldest first, or never. */
  readonly whenFull: 'drop oldest' | 'refuse';
}

const minute = 60_000;
const day = 24 * 60 * minute;

export const topics = {
  load: { name: 'tercet.load', partitions: 4, retentionMs: 10 * minute, whenFull: 'drop oldest' },
  roles: { name: 'tercet.roles', partitions: 1, retentionMs: 30 * day, whenFull: 'refuse' },
  jobs: { name: 'tercet.jobs', partitions: 4, retentionMs: 30 * day, whenFull: 'refuse' },
  results: { name: 'tercet.results', partitions: 4, retentionMs: 30 * day, whenFull: 'refuse' },
  vectors: { name: 'tercet.vectors', partitions: 16, retentionMs: undefined, whenFull: 'refuse' },
  cache: { name: 'tercet.cache', partitions: 1, retentionMs: day, whenFull: 'refuse' },
} as const satisfies Record<string, Topic>;

export type TopicName = keyof typeof topics;

/** The part of a topic that a key's records are in (FNV-1a over its UTF-16 units). */
export function partOf(topic: TopicName, key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % topics[topic].partitions;
}
