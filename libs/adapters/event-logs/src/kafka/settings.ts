import { readFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { parkedTopic, topicNames, topics } from '@tercet/event-log';
import type { KafkaSettings, TlsFiles } from '../events-config.js';

/** A topic as a broker is asked to make it. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: readonly { readonly name: string; readonly value: string }[];
}

/** Every topic of the system. One that is there already is left as its administrator made it. */
export function topicSpecs({ prefix, replicationFactor, topics: changed }: KafkaSettings): TopicSpec[] {
  const all = [...topicNames.map((name) => ({ ...topics[name], ...changed[name] })), parkedTopic];
  return all.map(({ name, partitions, retentionMs }) => ({
    name: `${prefix}${name}`,
    partitions,
    replicationFactor,
    configs: [{ name: 'retention.ms', value: String(retentionMs ?? -1) }],
  }));
}

/** @throws what reading the files throws */
export function tlsOptions({ caPath, certPath, keyPath }: TlsFiles): SecureContextOptions {
  return {
    ...(caPath === undefined ? {} : { ca: readFileSync(caPath) }),
    ...(certPath === undefined ? {} : { cert: readFileSync(certPath) }),
    ...(keyPath === undefined ? {} : { key: readFileSync(keyPath) }),
  };
}
