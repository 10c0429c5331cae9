import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Clock } from '@tercet/base';
import type { NewEvent, Occurrence, StoredEvent } from '@tercet/event-log';
import { KafkaEventLog, type KafkaSettings } from '@tercet/event-logs';
import { KafkaBroker, kafkaUser, needsKafka } from '@tercet/testing';
import { Kafka, logLevel } from 'kafkajs';

const clock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
const jars = needsKafka();
const timeoutMs = 120_000;

if (jars !== undefined) {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await KafkaBroker.start(jars);
  }, timeoutMs);
  afterAll(() => broker[Symbol.asyncDispose]());

  describe.each(['kafkajs', 'platformatic'] as const)('Kafka by %s in trouble', (client) => {
    const settingsOf = (changes: Partial<KafkaSettings> = {}): KafkaSettings => {
      const prefix = `${randomUUID()}.`;
      return { client, brokers: [broker.address], prefix, replicationFactor: 1, topics: {}, ...changes };
    };

    test(
      'credentials that the broker does not know are an error with a code, for writers and readers',
      async () => {
        const sasl = { mechanism: 'plain', username: kafkaUser.username, password: 'wrong' } as const;
        await using log = await open(settingsOf({ brokers: [broker.saslAddress], sasl }));
        const refused = { code: 'event_log_refused', details: { brokers: broker.saslAddress } };
        await expect(log.publish('jobs', job('a'))).rejects.toMatchObject(refused);
        const onEvent = async () => undefined;
        const reading = log.subscribe({ topics: ['jobs'], group: 'g', from: 'earliest', onEvent }, never);
        await expect(reading).rejects.toMatchObject(refused);
      },
      timeoutMs,
    );

    test(
      'credentials that it knows are taken',
      async () => {
        const sasl = { mechanism: 'plain', ...kafkaUser } as const;
        await using log = await open(settingsOf({ brokers: [broker.saslAddress], sasl }));
        await log.publish('jobs', job('a'));
      },
      timeoutMs,
    );

    test(
      'topics are made with the settings that the configuration names',
      async () => {
        const settings = settingsOf({ topics: { load: { partitions: 7, retentionMs: 60_000 } } });
        await using log = await open(settings);
        await log.publish('load', job('a'));
        const admin = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING }).admin();
        await admin.connect();
        const topic = `${settings.prefix}tercet.load`;
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: 2, name: topic }],
        });
        await admin.disconnect();
        expect(topics[0]?.partitions.length).toBe(7);
        const retention = resources[0]?.configEntries.find(({ configName }) => configName === 'retention.ms');
        expect(retention?.configValue).toBe('60000');
      },
      timeoutMs,
    );

    test(
      'while the broker is away records wait in bounds; it comes back, and writers and readers go on',
      async () => {
        const occurrences: Occurrence[] = [];
        const limits = { recordsMax: 20, bytesMax: 2 ** 20, waitMs: 90_000 };
        await using log = await open(settingsOf(), { limits, observe: (occurrence) => occurrences.push(occurrence) });
        const heard: string[] = [];
        const stop = new AbortController();
        const onEvent = async ({ key }: StoredEvent) => void heard.push(key);
        const reading = log.subscribe({ topics: ['jobs', 'load'], group: 'g', from: 'earliest', onEvent }, stop.signal);
        await log.publish('jobs', job('before'));
        while (!heard.includes('before')) await sleep(20);
        await broker.stop('SIGKILL');
        const slowest = slowestTurn();
        const reports = Array.from({ length: 50 }, (_, i) => log.publish('load', job(`report-${i}`)));
        const jobs = Array.from({ length: 30 }, (_, i) => log.publish('jobs', job(`job-${i}`)));
        const ended = Promise.all([Promise.allSettled(reports), Promise.allSettled(jobs)]);
        const refused = jobs.slice(20);
        for (const end of refused) await expect(end).rejects.toMatchObject({ code: 'event_log_unavailable' });
        await sleep(1000);
        expect(await slowest()).toBeLessThan(500);
        await broker.resume();
        const [, jobEnds] = await ended;
        const taken = jobEnds.flatMap(({ status }, i) => (status === 'fulfilled' ? [`job-${i}`] : []));
        expect(taken.length).toBeGreaterThan(0);
        while (!taken.every((key) => heard.includes(key))) await sleep(50);
        expect(heard.filter((key) => key.startsWith('job-')).toSorted()).toEqual(taken.toSorted());
        expect(occurrences.filter(({ kind }) => kind === 'dropped').length).toBeGreaterThanOrEqual(30);
        expect(occurrences.filter(({ kind }) => kind === 'failed').length).toBeGreaterThan(0);
        stop.abort();
        await reading;
      },
      timeoutMs,
    );
  });
}

const never = new AbortController().signal;

function open(
  settings: KafkaSettings,
  options: Partial<Parameters<typeof KafkaEventLog.open>[0]> = {},
): Promise<KafkaEventLog> {
  return KafkaEventLog.open({ settings, producer: 'test', clock, ...options });
}

function job(key: string): NewEvent {
  return { key, body: { $case: 'job', value: { jobId: key, tenant: '' } } };
}

/** Watches the event loop until it is asked for the longest turn, in ms: what a request would have waited. */
function slowestTurn(): () => Promise<number> {
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longest = Math.max(longest, nowMs - last - 10);
    last = nowMs;
  }, 10);
  return async () => {
    clearInterval(timer);
    return longest;
  };
}
