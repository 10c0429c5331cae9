import { Admin, type BaseOptions, Consumer, type Message, Producer, SASLMechanisms } from '@platformatic/kafka';
import type { KafkaSettings } from '../events-config.js';
import { wordsOf } from './failure.js';
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

/** Records that were fetched and not handled yet: while there are so many, no more are fetched. */
const inHandMax = 256;
const mechanisms = {
  plain: SASLMechanisms.PLAIN,
  'scram-sha-256': SASLMechanisms.SCRAM_SHA_256,
  'scram-sha-512': SASLMechanisms.SCRAM_SHA_512,
} as const;

/** Kafka through @platformatic/kafka. */
export class PlatformaticClient implements KafkaClient {
  readonly #options: BaseOptions;
  readonly #admin: Admin;
  readonly #producer: Producer;

  constructor({ brokers, tls, sasl }: KafkaSettings, clientId: string) {
    this.#options = {
      clientId,
      bootstrapBrokers: [...brokers],
      connectTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      retries: 2,
      retryDelay: 200,
      ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
      ...(sasl === undefined ? {} : { sasl: { ...sasl, mechanism: mechanisms[sasl.mechanism] } }),
    };
    this.#admin = new Admin(this.#options);
    this.#producer = new Producer({ ...this.#options, idempotent: true, maxInflights: 1 });
  }

  async connect(topics: readonly TopicSpec[]): Promise<void> {
    const there = new Set(await this.#admin.listTopics());
    for (const { name, partitions, replicationFactor: replicas, configs } of topics) {
      if (there.has(name)) continue;
      try {
        await this.#admin.createTopics({ topics: [name], partitions, replicas, configs: [...configs] });
      } catch (error) {
        // Another process made it meanwhile.
        if (!/TOPIC_ALREADY_EXISTS/.test(wordsOf(error))) throw error;
      }
    }
  }

  async send(records: readonly KafkaRecord[]): Promise<void> {
    const messages = records.map(({ topic, key, value, headers = {} }) => ({
      topic,
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
    }));
    await this.#producer.send({ messages, acks: -1 });
  }

  async read(reading: Reading, signal: AbortSignal): Promise<void> {
    const { group, topics, from, onAssigned, onLag } = reading;
    const consumer = new Consumer({
      ...this.#options,
      groupId: group,
      sessionTimeout: sessionMs.timeout,
      heartbeatInterval: sessionMs.heartbeat,
      maxWaitTime: fetchWaitMs,
      autocommit: false,
    });
    consumer.on('consumer:group:join', ({ assignments = [] }) => {
      onAssigned(assignments.reduce((sum, { partitions }) => sum + partitions.length, 0));
    });
    consumer.on('consumer:lag', (lag) => {
      // A partition that this reader does not have is -1.
      for (const [topic, parts] of lag)
        onLag(topic, Number(parts.reduce((sum, part) => (part > 0n ? sum + part : sum), 0n)));
    });
    try {
      const stream = await consumer.consume({ topics: [...topics], mode: 'committed', fallbackMode: from });
      consumer.startLagMonitoring({ topics: [...topics] }, lagIntervalMs);
      const onAbort = () => stream.destroy();
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const hands = new Hands(consumer, reading);
      try {
        for await (const message of stream) await hands.take(message);
      } finally {
        signal.removeEventListener('abort', onAbort);
        await hands.empty();
      }
    } finally {
      consumer.stopLagMonitoring();
      await consumer.close(true);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.close(), this.#admin.close()]);
  }
}

/** Records in hand: those of a partition one after the other, partitions side by side, so many in all. */
class Hands {
  readonly #consumer: Consumer;
  readonly #reading: Reading;
  readonly #partitions = new Map<string, Promise<void>>();
  #inHand = 0;
  #roomMade = Promise.withResolvers<void>();

  constructor(consumer: Consumer, reading: Reading) {
    this.#consumer = consumer;
    this.#reading = reading;
  }

  /** Resolves when there is room for another. */
  async take(message: Message): Promise<void> {
    const place = `${message.topic}/${message.partition}`;
    const before = this.#partitions.get(place) ?? Promise.resolve();
    this.#inHand++;
    const handled = before.then(() => this.#handle(message));
    // One that was not taken ends the reading elsewhere; those behind it are not tried.
    handled.catch(() => undefined);
    this.#partitions.set(place, handled);
    while (this.#inHand >= inHandMax) await this.#roomMade.promise;
  }

  async empty(): Promise<void> {
    await Promise.allSettled(this.#partitions.values());
  }

  async #handle(message: Message): Promise<void> {
    try {
      if (!this.#isOurs(message)) return;
      const { topic, key, value, offset } = message;
      await this.#reading.onRecord({ topic, key: String(key ?? ''), value: value ?? new Uint8Array(), offset });
      // Commits of one partition are gathered by the client; that one failed shows in a record that comes again.
      Promise.resolve(message.commit()).catch((error) => this.#reading.onFailure(error));
    } finally {
      this.#inHand--;
      this.#roomMade.resolve();
      this.#roomMade = Promise.withResolvers();
    }
  }

  /** False for what was fetched before the partition went to another reader. */
  #isOurs({ topic, partition }: Message): boolean {
    const held = this.#consumer.assignments?.find((assignment) => assignment.topic === topic);
    return held?.partitions.includes(partition) ?? false;
  }
}
