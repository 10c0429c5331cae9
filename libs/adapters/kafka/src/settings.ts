import { readFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { parkedTopic, type TopicName, topicNames, topics } from '@tercet/event-log';

/** How a Kafka is reached, and how its topics are made. */
export interface KafkaSettings {
  readonly client: 'kafkajs' | 'platformatic';
  readonly brokers: readonly string[];
  /** Stands before the names of topics and groups. */
  readonly prefix: string;
  readonly replicationFactor: number;
  /** Where a topic is made otherwise than the table of topics says. */
  readonly topics: Readonly<Partial<Record<TopicName, TopicSettings>>>;
  readonly tls?: TlsFiles;
  readonly sasl?: SaslLogin;
}

export interface TopicSettings {
  readonly partitions?: number;
  readonly retentionMs?: number;
}

export interface TlsFiles {
  readonly caPath?: string;
  readonly certPath?: string;
  readonly keyPath?: string;
}

export interface SaslLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

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
