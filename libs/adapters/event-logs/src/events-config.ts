import { topicNames } from '@tercet/event-log';
import { z } from 'zod';

const TopicSettings = z.strictObject({
  partitions: z.int().min(1).max(1000).exactOptional(),
  retentionMs: z.int().min(1000).exactOptional(),
});

const TlsFiles = z
  .strictObject({
    /** PEM file of the authorities to trust; without it, those that Node knows. */
    caPath: z.string().min(1).exactOptional(),
    /** PEM files of this client, where the broker wants to know it. */
    certPath: z.string().min(1).exactOptional(),
    keyPath: z.string().min(1).exactOptional(),
  })
  .refine(({ certPath, keyPath }) => (certPath === undefined) === (keyPath === undefined), {
    message: 'certPath and keyPath belong together',
  });

const SaslLogin = z.strictObject({
  mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
  username: z.string().min(1),
  password: z.string().min(1),
});

/** How a Kafka is reached, and how its topics are made. */
const KafkaConfig = z.strictObject({
  kind: z.literal('kafka'),
  client: z.enum(['kafkajs', 'platformatic']).default('kafkajs'),
  /** `host:port` of some brokers; the others are learned from them. */
  brokers: z.array(z.string().regex(/^.+:\d+$/)).min(1),
  /** Stands before the names of topics and groups, where several systems share a Kafka. */
  prefix: z
    .string()
    .regex(/^[a-zA-Z0-9._-]*$/)
    .default(''),
  replicationFactor: z.int().min(1).default(3),
  /** Where a topic is made otherwise than the table of topics says. */
  topics: z.partialRecord(z.enum(topicNames), TopicSettings).default({}),
  tls: TlsFiles.exactOptional(),
  sasl: SaslLogin.exactOptional(),
});

/** Which event log a process writes to and reads from: none, the file of one machine, or Kafka. */
export const EventsConfig = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('file'), path: z.string().min(1) }),
    KafkaConfig,
  ])
  .default({ kind: 'none' });

export type EventsConfig = z.infer<typeof EventsConfig>;
export type KafkaSettings = Omit<z.infer<typeof KafkaConfig>, 'kind'>;
export type TlsFiles = z.infer<typeof TlsFiles>;
export type SaslLogin = z.infer<typeof SaslLogin>;
