import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '@tercet/base';
import { KafkaEventLog, type KafkaSettings } from '@tercet/event-logs';
import { systemClock } from '@tercet/telemetry';
import type { KafkaBroker } from '@tercet/testing/kafka-broker';
import type { WholeSystem } from '../serving/whole-system.js';
import type { SubmittedBatch } from './batches.js';
import { type JobsResult, runJobs } from './jobs.js';

export interface BrokenBrokerOptions {
  readonly broker: KafkaBroker;
  readonly client: 'kafkajs' | 'platformatic';
  /** Of the gateway and of stages. */
  readonly kills: number;
  /** Of the broker, spread over the kills. */
  readonly restarts: number;
  /** Requests that are asked one after the other with the broker there, and so many again with it away. */
  readonly requests: number;
  readonly seed: number;
  say(line: string): void;
}

export interface BrokenBrokerResult extends JobsResult {
  readonly restarts: number;
  /** Batches whose end no reader of `tercet.results` hears of. */
  readonly jobsUntold: number;
  /** How long requests took, in ms, one after the other. */
  readonly besideBrokerMs: readonly number[];
  readonly withoutBrokerMs: readonly number[];
  readonly requestsFailed: number;
}

const awayMs = { least: 1000, more: 5000 };
const hearMs = 30_000;
const ends = new Set(['completed', 'failed', 'expired', 'cancelled']);

/**
 * Batches on a whole system over Kafka, while its processes are killed and the broker as well; then requests with the
 * broker there and away.
 */
export async function runOnBrokenBroker(options: BrokenBrokerOptions): Promise<BrokenBrokerResult> {
  const { broker, client, kills, restarts, requests, seed, say } = options;
  const prefix = `${client}-jobs.`;
  const settings = { client, brokers: [broker.address], prefix, replicationFactor: 1, topics: {} };
  const prng = new Prng(seed);
  let jobsUntold = 0;
  let requestsFailed = 0;
  const times: number[][] = [];
  let restarting = Promise.resolve();
  let begun = 0;
  const result = await runJobs({
    kills,
    seed,
    say: (line) => say(`${client}: ${line}`),
    events: { kind: 'kafka', ...settings },
    onKill: (done) => {
      if (done < ((begun + 0.5) * kills) / restarts || begun === restarts) return undefined;
      begun++;
      restarting = restarting.then(() => restart(broker, prng, (line) => say(`${client}: ${line}`)));
      return restarting;
    },
    afterwards: async (system, batches) => {
      jobsUntold = await countUntold(settings, batches);
      for (const isThere of [true, false]) {
        if (!isThere) await broker.stop('SIGKILL');
        const { ms, failed } = await ask(system, requests);
        times.push(ms);
        requestsFailed += failed;
      }
      await broker.resume();
    },
  });
  const [besideBrokerMs = [], withoutBrokerMs = []] = times;
  return { ...result, restarts, jobsUntold, besideBrokerMs, withoutBrokerMs, requestsFailed };
}

/** Ends the broker as a power cut would, and starts it again a while later. */
async function restart(broker: KafkaBroker, prng: Prng, say: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  await broker.stop('SIGKILL');
  await sleep(awayMs.least + prng.nextFloat() * awayMs.more);
  await broker.resume();
  say(`the broker was away for ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

/** Reads what was told of all batches, as a reader outside would. */
async function countUntold(settings: KafkaSettings, batches: readonly SubmittedBatch[]): Promise<number> {
  const untold = new Set(batches.map(({ id }) => id));
  await using log = await KafkaEventLog.open({ settings, producer: 'reader', clock: systemClock });
  const stop = new AbortController();
  const reading = log.subscribe(
    {
      topics: ['results'],
      group: 'reader',
      from: 'earliest',
      onEvent: async ({ event: { body } }) => {
        if (body?.$case === 'jobProgress' && ends.has(body.value.state)) untold.delete(body.value.jobId);
        if (untold.size === 0) stop.abort();
      },
    },
    AbortSignal.any([stop.signal, AbortSignal.timeout(hearMs)]),
  );
  await reading;
  return untold.size;
}

/** Short chats, one after the other. */
async function ask(system: WholeSystem, requests: number): Promise<{ ms: number[]; failed: number }> {
  const messages = [{ role: 'user', content: 'Say hello.' }];
  const body = JSON.stringify({ model: system.model, messages, max_tokens: 8, temperature: 0 });
  const ms: number[] = [];
  for (let i = 0; i < requests; i++) {
    const startMs = performance.now();
    const response = await fetch(`${system.url}/v1/chat/completions`, { method: 'POST', body }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok === true) ms.push(performance.now() - startMs);
  }
  return { ms, failed: requests - ms.length };
}
