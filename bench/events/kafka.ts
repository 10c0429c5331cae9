// Question: how soon does a controller know what its pods report, through a real Kafka? A broker of this machine, a
// thousand simulated pods that report once a second each, and one reader in a group, as the controller is one.
// Both clients, one after the other; what each is measured on is said in `load-reports.ts`.
import { parseArgs } from 'node:util';
import { findKafka, KafkaBroker } from '@tercet/testing/kafka-broker';
import type { BenchOptions, BenchResult } from '../suite.js';
import { type Heard, measureReports } from './load-reports.js';

const clients = ['kafkajs', 'platformatic'] as const;

/** Options: `--pods=N` (1000), `--connections=N` that they share (20), `--seconds=N` measured (30), `--warm=N` (10). */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const jars = findKafka();
  if (typeof jars === 'string') throw new Error(jars);
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const options = { pods: text('1000'), connections: text('20'), seconds: text('30'), warm: text('10') };
  const { values: settings } = parseArgs({ args: [...given], options });
  await using broker = await KafkaBroker.start(jars);
  const heard = new Map<string, Heard>();
  for (const client of clients) {
    const load = {
      pods: Number(settings.pods),
      connections: Number(settings.connections),
      seconds: Number(settings.seconds),
      warmSeconds: Number(settings.warm),
    };
    heard.set(client, await measureReports({ client, address: broker.address, ...load }));
  }
  for (const line of table(heard)) say(line);
  const [first, second] = [heard.get('kafkajs'), heard.get('platformatic')];
  return {
    metrics: { ...metricsOf(first, ''), ...metricsOf(second, 'platformatic') },
    peer: { broker: 'Apache Kafka 4.4.0, one node', kafkajs: '2.2.4', platformatic: '2.12.1', ...settings },
  };
}

function metricsOf(heard: Heard | undefined, name: string): Record<string, number> {
  if (heard === undefined) return {};
  const named = (key: string) => (name === '' ? key : `${name}${key.charAt(0).toUpperCase()}${key.slice(1)}`);
  const { delaysMs, sent, lost, repeated } = heard;
  return {
    [named('reportMsP50')]: percentile(delaysMs, 0.5),
    [named('reportMsP99')]: percentile(delaysMs, 0.99),
    [named('reportMsMax')]: percentile(delaysMs, 1),
    [named('reports')]: sent,
    [named('reportsLost')]: lost,
    [named('reportsRepeated')]: repeated,
  };
}

function table(heard: ReadonlyMap<string, Heard>): string[] {
  const row = (cells: readonly (string | number)[]) => cells.map((cell) => String(cell).padStart(13)).join('');
  const head = ['client', 'reports', 'lost', 'repeated', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'CPU s'];
  const rows = [...heard].map(([client, { delaysMs, sent, lost, repeated, cpuSeconds }]) => {
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
