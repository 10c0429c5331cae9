import { randomUUID } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { assert, type Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import {
  defaultPublishLimits,
  type EventLog,
  Intake,
  type NewEvent,
  type Observe,
  type Outgoing,
  Publisher,
  type PublishLimits,
  parkedTopic,
  type Sleep,
  type Subscription,
  type TopicName,
  topics,
} from '@tercet/event-log';
import type { KafkaSettings } from '../events-config.js';
import { toEventLogError } from './failure.js';
import type { FetchedRecord, KafkaClient, Reading } from './kafka-client.js';
import { topicSpecs } from './settings.js';

export interface KafkaEventLogOptions {
  readonly settings: KafkaSettings;
  /** Who writes: a pod's name. Each start gets a producer id of its own. */
  readonly producer: string;
  readonly clock: Clock;
  readonly limits?: PublishLimits;
  readonly observe?: Observe;
}

const closeMs = 5000;
/** Before a reading that broke off begins again. */
const readPauseMs = 1000;
const sleep: Sleep = (ms, signal) => sleepFor(ms, undefined, { signal });

/**
 * The event log of a cluster: Kafka, through one of two clients. Connects when it is first needed and again when it
 * must, so that a broker that is away is no hindrance to whoever opens this: publish and subscribe say so.
 */
export class KafkaEventLog implements EventLog {
  readonly #options: KafkaEventLogOptions;
  readonly #observe: Observe;
  readonly #client: KafkaClient;
  readonly #publisher: Publisher;
  readonly #closed = new AbortController();
  #connected: Promise<void> | undefined;

  /** Loads the client that the settings name. */
  static async open(options: KafkaEventLogOptions): Promise<KafkaEventLog> {
    const { settings, producer } = options;
    switch (settings.client) {
      case 'kafkajs': {
        const { KafkajsClient } = await import('./kafkajs-client.js');
        return new KafkaEventLog(options, new KafkajsClient(settings, producer));
      }
      case 'platformatic': {
        const { PlatformaticClient } = await import('./platformatic-client.js');
        return new KafkaEventLog(options, new PlatformaticClient(settings, producer));
      }
      default:
        return settings.client satisfies never;
    }
  }

  private constructor(options: KafkaEventLogOptions, client: KafkaClient) {
    const { producer, clock, limits = defaultPublishLimits, observe = () => undefined } = options;
    this.#options = options;
    this.#observe = observe;
    this.#client = client;
    this.#publisher = new Publisher({
      producerId: `${producer}/${randomUUID()}`,
      clock,
      sleep,
      limits,
      observe,
      send: (records) => this.#send(records),
    });
  }

  publish(topic: TopicName, event: NewEvent): Promise<void> {
    return this.#publisher.publish(topic, event);
  }

  async subscribe(subscription: Subscription, signal: AbortSignal): Promise<void> {
    const { group, from } = subscription;
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal, this.#closed.signal]);
    const names = new Map(subscription.topics.map((topic) => [this.#nameOf(topics[topic].name), topic]));
    const topicOf = (name: string): TopicName => {
      const topic = names.get(name);
      assert(topic !== undefined, 'a topic that was not asked for', { name });
      return topic;
    };
    const intake = this.#intake(subscription);
    const take = async ({ topic, key, value, offset }: FetchedRecord) => {
      try {
        await intake.take({ topic: topicOf(topic), key, bytes: value, offset }, either);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    await this.#attempt(() => this.#connect());
    const reading: Reading = {
      group: this.#nameOf(group),
      topics: [...names.keys()],
      from,
      onRecord: take,
      onAssigned: (partitions) => this.#observe({ kind: 'rebalanced', group, partitions }),
      onLag: (topic, records) => this.#observe({ kind: 'lag', topic: topicOf(topic), group, records }),
      onFailure: (error) => this.#observe({ kind: 'failed', code: this.#errorOf(error).code }),
    };
    await this.#keepReading(reading, either);
    if (signal.aborted) return;
    failed.signal.throwIfAborted();
    this.#closed.signal.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher.close(AbortSignal.timeout(closeMs));
    this.#closed.abort(new TercetError('event_log_unavailable', { reason: 'closed' }));
    await this.#client.close().catch(() => undefined);
  }

  /** A reading that broke off begins again where its group is, unless the broker refuses us. */
  async #keepReading(reading: Reading, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#client.read(reading, signal);
      } catch (error) {
        if (signal.aborted) return;
        const failure = this.#errorOf(error);
        this.#observe({ kind: 'failed', code: failure.code });
        if (failure.code !== 'event_log_unavailable') throw failure;
        await sleep(readPauseMs, signal).catch(() => undefined);
      }
    }
  }

  #intake(subscription: Subscription): Intake {
    return new Intake({
      subscription,
      sleep,
      observe: this.#observe,
      park: ({ topic, key, offset, bytes: value }, reason) => {
        const headers = { topic: topics[topic].name, group: subscription.group, offset: String(offset), reason };
        return this.#attempt(() => this.#client.send([{ topic: this.#nameOf(parkedTopic.name), key, value, headers }]));
      },
    });
  }

  async #send(records: readonly Outgoing[]): Promise<void> {
    await this.#attempt(async () => {
      await this.#connect();
      await this.#client.send(
        records.map(({ topic, key, bytes: value }) => ({ topic: this.#nameOf(topics[topic].name), key, value })),
      );
    });
  }

  /** Once, by whoever needs it first; again after it failed. */
  #connect(): Promise<void> {
    this.#connected ??= this.#client.connect(topicSpecs(this.#options.settings)).catch((error) => {
      this.#connected = undefined;
      throw error;
    });
    return this.#connected;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.#errorOf(error);
    }
  }

  #errorOf(error: unknown): TercetError {
    return toEventLogError(error, this.#options.settings.brokers);
  }

  #nameOf(name: string): string {
    return `${this.#options.settings.prefix}${name}`;
  }
}
