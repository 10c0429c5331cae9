import {
  type Admin,
  type Consumer,
  type EachBatchPayload,
  Kafka,
  logLevel,
  type Producer,
  type SASLOptions,
} from 'kafkajs';
import type { KafkaSettings, SaslLogin } from '../events-config.js';
import {
  connectTimeoutMs,
  fetchWaitMs,
  type KafkaClient,
  type KafkaRecord,
  lagIntervalMs,
  type Reading,
  requestTimeoutMs,
  sessionMs,
} from './kafka-client.js';
import { type TopicSpec, tlsOptions } from './settings.js';

/** Tries of one call; whoever calls tries again by its own rules. */
const retry = { retries: 2, initialRetryTime: 100, maxRetryTime: 1000 };
const partitionsAtOnce = 32;
const commitIntervalMs = 200;

/** Kafka through kafkajs. */
export class KafkajsClient implements KafkaClient {
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #producer: Producer;

  constructor({ brokers, tls, sasl }: KafkaSettings, clientId: string) {
    this.#kafka = new Kafka({
      clientId,
      brokers: [...brokers],
      connectionTimeout: connectTimeoutMs,
      authenticationTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      retry,
      logLevel: logLevel.NOTHING,
      ...(tls === undefined ? {} : { ssl: tlsOptions(tls) }),
      ...(sasl === undefined ? {} : { sasl: loginOf(sasl) }),
    });
    this.#admin = this.#kafka.admin();
    // One request at a time: what is tried again cannot come behind what was sent after it.
    this.#producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false });
  }

  async connect(topics: readonly TopicSpec[]): Promise<void> {
    await this.#admin.connect();
    const there = new Set(await this.#admin.listTopics());
    const missing = topics.filter(({ name }) => !there.has(name));
    if (missing.length > 0) {
      await this.#admin.createTopics({
        waitForLeaders: true,
        topics: missing.map(({ name: topic, partitions: numPartitions, replicationFactor, configs }) => {
          return { topic, numPartitions, replicationFactor, configEntries: [...configs] };
        }),
      });
    }
    await this.#producer.connect();
  }

  async send(records: readonly KafkaRecord[]): Promise<void> {
    const topicMessages = [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, those]) => ({
      topic,
      messages: those.map(({ key, value, headers }) => ({
        key,
        value: Buffer.from(value),
        ...(headers === undefined ? {} : { headers }),
      })),
    }));
    await this.#producer.sendBatch({ topicMessages, acks: -1 });
  }

  async read(reading: Reading, signal: AbortSignal): Promise<void> {
    const { group, topics, from } = reading;
    const consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs.timeout,
      heartbeatInterval: sessionMs.heartbeat,
      maxWaitTimeInMs: fetchWaitMs,
      allowAutoTopicCreation: false,
      retry: { ...retry, restartOnFailure: async () => false },
    });
    const crashed = Promise.withResolvers<never>();
    consumer.on(consumer.events.CRASH, ({ payload: { error } }) => crashed.reject(error));
    const stop = new AbortController();
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: from === 'earliest' });
      this.#watchGroup(consumer, reading, stop.signal);
      await consumer.run({
        partitionsConsumedConcurrently: partitionsAtOnce,
        autoCommitInterval: commitIntervalMs,
        eachBatchAutoResolve: false,
        eachBatch: (batch) => takeBatch(batch, reading, signal),
      });
      await Promise.race([crashed.promise, aborted(signal)]);
    } finally {
      stop.abort();
      crashed.promise.catch(() => undefined);
      await consumer.disconnect().catch(reading.onFailure);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.disconnect(), this.#admin.disconnect()]);
  }

  /** Says which partitions the reader has, and from time to time how far behind it is in them. */
  #watchGroup(consumer: Consumer, { group, topics, onAssigned, onLag, onFailure }: Reading, signal: AbortSignal): void {
    let held: Record<string, readonly number[]> = {};
    consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      held = memberAssignment;
      onAssigned(Object.values(held).reduce((sum, partitions) => sum + partitions.length, 0));
    });
    const timer = setInterval(async () => {
      try {
        const committed = await this.#admin.fetchOffsets({ groupId: group, topics: [...topics] });
        for (const { topic, partitions } of committed) {
          const ends = await this.#admin.fetchTopicOffsets(topic);
          const behind = ends.map(({ partition, high, low }) => {
            const at = Number(partitions.find((one) => one.partition === partition)?.offset ?? -1);
            // A group that has kept no offset yet reads on from where it begins, which only its reader knows.
            return at < 0 ? 0 : Number(high) - Math.max(at, Number(low));
          });
          onLag(
            topic,
            (held[topic] ?? []).reduce((sum, partition) => sum + (behind[partition] ?? 0), 0),
          );
        }
      } catch (error) {
        onFailure(error);
      }
    }, lagIntervalMs);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }
}

/** One record after the other; the broker hears that we live also while one takes long. */
async function takeBatch(payload: EachBatchPayload, { onRecord }: Reading, signal: AbortSignal): Promise<void> {
  const { batch, heartbeat, resolveOffset, commitOffsetsIfNecessary, isRunning, isStale } = payload;
  // A heartbeat that fails shows in the next call to the broker, which joins the group again.
  const timer = setInterval(() => heartbeat().catch(() => undefined), sessionMs.heartbeat);
  try {
    for (const { key, value, offset } of batch.messages) {
      if (signal.aborted || !isRunning() || isStale()) return;
      const bytes = value ?? new Uint8Array();
      try {
        await onRecord({ topic: batch.topic, key: String(key ?? ''), value: bytes, offset: BigInt(offset) });
      } catch (error) {
        // The reading is over: what was taken so far is committed, and this record is not.
        if (signal.aborted) return;
        throw error;
      }
      resolveOffset(offset);
      await commitOffsetsIfNecessary();
    }
  } finally {
    clearInterval(timer);
  }
}

function loginOf({ mechanism, username, password }: SaslLogin): SASLOptions {
  return { mechanism, username, password } as SASLOptions;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
