import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import type { Clock } from '@tercet/base';
import { parkedTopic, topics } from '@tercet/event-log';
import { KafkaEventLog, type KafkaSettings } from '@tercet/event-logs';
import { KafkaBroker, needsKafka } from '@tercet/testing';
import { Kafka, logLevel } from 'kafkajs';
import { describeEventLog, type LogUnderTest } from './event-log-contract.js';

const clock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
const jars = needsKafka();

if (jars !== undefined) {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await KafkaBroker.start(jars);
  }, 120_000);
  afterAll(() => broker[Symbol.asyncDispose]());
  for (const client of ['kafkajs', 'platformatic'] as const) {
    describeEventLog(`Kafka by ${client}`, () => kafkaUnderTest(client, broker.address), 90_000);
  }
}

/** Topics of its own in the one broker. */
async function kafkaUnderTest(client: KafkaSettings['client'], address: string): Promise<LogUnderTest> {
  const prefix = `${randomUUID()}.`;
  const settings = { client, brokers: [address], prefix, replicationFactor: 1, topics: {} };
  await makeTopics(settings);
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING });
  return {
    open: (observe) => {
      return KafkaEventLog.open({ settings, producer: 'test', clock, ...(observe === undefined ? {} : { observe }) });
    },
    putBytes: async (topic, key, bytes) => {
      const producer = kafka.producer({ allowAutoTopicCreation: false });
      await producer.connect();
      const messages = [{ key, value: Buffer.from(bytes) }];
      await producer.send({ topic: `${prefix}${topics[topic].name}`, messages });
      await producer.disconnect();
    },
    parkedReasons: async () => {
      const consumer = kafka.consumer({ groupId: randomUUID() });
      const [end] = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(`${prefix}${parkedTopic.name}`));
      const reasons: string[] = [];
      await consumer.connect();
      await consumer.subscribe({ topic: `${prefix}${parkedTopic.name}`, fromBeginning: true });
      const all = Promise.withResolvers<void>();
      await consumer.run({
        eachMessage: async ({ message }) => {
          reasons.push(String(message.headers?.reason));
          if (reasons.length === Number(end?.high)) all.resolve();
        },
      });
      await all.promise;
      await consumer.disconnect();
      return reasons;
    },
    [Symbol.asyncDispose]: () =>
      withAdmin(kafka, async (admin) => {
        const ours = (await admin.listTopics()).filter((name) => name.startsWith(prefix));
        await admin.deleteTopics({ topics: ours });
      }),
  };
}

async function makeTopics(settings: KafkaSettings): Promise<void> {
  await using log = await KafkaEventLog.open({ settings, producer: 'test', clock });
  await log.publish('cache', { key: '', body: { $case: 'job', value: { jobId: '', tenant: '' } } });
}

async function withAdmin<T>(kafka: Kafka, use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}
