// Question: how soon does a controller know what its pods report through a real Kafka, and is a batch's every line
// answered exactly once when processes and the broker die? A broker of this machine. First a thousand simulated pods
// that report once a second each, and one reader in a group, as the controller is one; then a whole system that runs
// batches while its gateway, its stages and the broker are killed. Both clients, one after the other; what each is
// measured on is said in `load-reports.ts` and `broken-broker.ts`.
import { parseArgs } from 'node:util';
import { findKafka, KafkaBroker } from '@tercet/testing/kafka-broker';
import type { BenchOptions, BenchResult } from '../suite.js';
import { type BrokenBrokerResult, runOnBrokenBroker } from './broken-broker.js';
import { type Heard, measureReports } from './load-reports.js';

const allClients = ['kafkajs', 'platformatic'] as const;

const text = (value: string) => ({ type: 'string', default: value }) as const;
const options = {
  client: text('both'),
  pods: text('1000'),
  connections: text('20'),
  seconds: text('30'),
  warm: text('10'),
  kills: text('50'),
  restarts: text('5'),
  requests: text('100'),
  seed: text('1'),
};

/**
 * Options: `--client=NAME` for one alone; of the reports: `--pods=N` (1000), `--connections=N` that they share (20),
 * `--seconds=N` measured (30), `--warm=N` (10); of the jobs, for each client: `--kills=N` (50; 0 leaves them out),
 * `--restarts=N` of the broker (5), `--requests=N` with and without it (100), `--seed=N`.
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const jars = findKafka();
  if (typeof jars === 'string') throw new Error(jars);
  const { values: settings } = parseArgs({ args: [...given], options });
  const clients = allClients.filter((client) => settings.client === 'both' || settings.client === client);
  if (clients.length === 0) throw new Error(`--client is one of ${allClients.join(', ')} or both`);
  await using broker = await KafkaBroker.start(jars);
  const heard: [string, Heard][] = [];
  for (const client of clients) {
    say(`${client}: ${settings.pods} pods report for ${settings.warm} + ${settings.seconds} s`);
    const load = {
      pods: Number(settings.pods),
      connections: Number(settings.connections),
      seconds: Number(settings.seconds),
      warmSeconds: Number(settings.warm),
    };
    heard.push([client, await measureReports({ client, address: broker.address, ...load })]);
  }
  for (const line of table(heard)) say(line);
  const jobs: [string, BrokenBrokerResult][] = [];
  const { kills, restarts, requests, seed } = settings;
  for (const client of Number(kills) === 0 ? [] : clients) {
    const counts = { kills: Number(kills), restarts: Number(restarts), requests: Number(requests) };
    jobs.push([client, await runOnBrokenBroker({ broker, client, ...counts, seed: Number(seed), say })]);
  }
  const metrics = [
    ...heard.map(([client, one]) => named(client, reportMetrics(one))),
    ...jobs.map(([client, one]) => named(client, jobMetrics(one))),
  ];
  return {
    metrics: Object.assign({}, ...metrics) as Record<string, number>,
    peer: { broker: 'Apache Kafka 4.4.0, one node', kafkajs: '2.2.4', platformatic: '2.12.1', ...settings },
  };
}

/** The first client is the default one, and its metrics have no name before theirs. */
function named(client: string, metrics: Record<string, number>): Record<string, number> {
  if (client === allClients[0]) return metrics;
  const entries = Object.entries(metrics);
  return Object.fromEntries(
    entries.map(([key, value]) => [`${client}${key.charAt(0).toUpperCase()}${key.slice(1)}`, value]),
  );
}

function reportMetrics({ delaysMs, sent, lost, repeated }: Heard): Record<string, number> {
  return {
    reportMsP50: percentile(delaysMs, 0.5),
    reportMsP99: percentile(delaysMs, 0.99),
    reportMsMax: percentile(delaysMs, 1),
    reports: sent,
    reportsLost: lost,
    reportsRepeated: repeated,
  };
}

function jobMetrics({
  besideBrokerMs,
  withoutBrokerMs,
  restarts,
  ...counts
}: BrokenBrokerResult): Record<string, number> {
  return {
    ...counts,
    brokerRestarts: restarts,
    requestMsP99: percentile(besideBrokerMs, 0.99),
    requestMsP99BrokerAway: percentile(withoutBrokerMs, 0.99),
  };
}

function table(heard: readonly (readonly [string, Heard])[]): string[] {
  const row = (cells: readonly (string | number)[]) => cells.map((cell) => String(cell).padStart(13)).join('');
  const head = ['client', 'reports', 'lost', 'repeated', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'CPU s'];
  const rows = heard.map(([client, { delaysMs, sent, lost, repeated, cpuSeconds }]) => {
    const delays = [0.5, 0.9, 0.99, 1].map((share) => percentile(delaysMs, share));
    return row([client, sent, lost, repeated, ...delays, cpuSeconds.toFixed(1)]);
  });
  return [
    'from the moment a report is due to the reader that has it, writers and reader in one process:',
    row(head),
    ...rows,
  ];
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN) * 10) / 10;
}
