import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { wire } from '@tercet/contracts';
import type { StoredEvent } from '@tercet/event-log';
import { KafkaEventLog } from '@tercet/event-logs';
import { systemClock } from '@tercet/telemetry';

export interface ReportLoad {
  readonly client: 'kafkajs' | 'platformatic';
  readonly address: string;
  readonly pods: number;
  /** Producers that the pods are dealt over, each with connections of its own. */
  readonly connections: number;
  readonly seconds: number;
  readonly warmSeconds: number;
}

/** What the reader saw of the reports that were due in the measured time. */
export interface Heard {
  readonly delaysMs: readonly number[];
  readonly sent: number;
  readonly lost: number;
  readonly repeated: number;
  /** Of this process: all writers and the reader. */
  readonly cpuSeconds: number;
}

const tickMs = 10;
const stragglersMs = 3000;
/** Steps that a report tells of: those of a busy decode pod within a second. */
const steps = Array.from({ length: 40 }, (_, i) => ({
  ms: 20 + (i % 7),
  step: { $case: 'decode' as const, value: { batch: 8, contextTokens: 4000 + i } },
}));

/**
 * Pods whose reports are due evenly over each second, whether earlier ones were acknowledged or not. A delay counts
 * from the due time, so that writers that fall behind cannot hide it, to the call of the reader's function.
 */
export async function measureReports(load: ReportLoad): Promise<Heard> {
  const { client, address, pods, connections, seconds, warmSeconds } = load;
  const settings = { client, brokers: [address], prefix: `${randomUUID()}.`, replicationFactor: 1, topics: {} };
  const open = (producer: string) => KafkaEventLog.open({ settings, producer, clock: systemClock });
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await open('pods-0'));
  // One makes the topics before the others look for them.
  await first.publish('load', { key: 'warm', body: { $case: 'load', value: wire.LoadReport.fromPartial({}) } });
  const logs = [first];
  while (logs.length < connections) logs.push(stack.use(await open(`pods-${logs.length}`)));
  const reader = stack.use(await open('controller'));
  const seen = new Map<string, number[]>();
  const onEvent = async ({ key, event: { body } }: StoredEvent) => {
    const nowMs = performance.timeOrigin + performance.now();
    if (body?.$case !== 'load') return;
    const name = `${key} ${body.value.unixMs}`;
    seen.set(name, [...(seen.get(name) ?? []), nowMs - Number(body.value.unixMs)]);
  };
  const stop = new AbortController();
  const reading = reader.subscribe({ topics: ['load'], group: 'controller', from: 'earliest', onEvent }, stop.signal);
  const cpu = process.cpuUsage();
  const startMs = Math.ceil(performance.timeOrigin + performance.now());
  const due = await report(load, logs, startMs);
  await sleep(stragglersMs);
  const { user, system } = process.cpuUsage(cpu);
  stop.abort();
  await reading;
  const fromMs = startMs + warmSeconds * 1000;
  const measured = due.filter(({ dueMs }) => dueMs >= fromMs);
  const heard = measured.map(({ name }) => seen.get(name) ?? []);
  if (measured.length !== pods * seconds) throw new Error(`${measured.length} reports were due`);
  return {
    delaysMs: heard.flatMap(([delay]) => delay ?? []),
    sent: measured.length,
    lost: heard.filter(({ length }) => length === 0).length,
    repeated: heard.filter(({ length }) => length > 1).length,
    cpuSeconds: (user + system) / 1e6,
  };
}

interface Due {
  readonly name: string;
  readonly dueMs: number;
}

/** Writes every report that became due since the last tick; resolves after the last one. */
async function report(load: ReportLoad, logs: readonly KafkaEventLog[], startMs: number): Promise<Due[]> {
  const { pods, seconds, warmSeconds } = load;
  const due: Due[] = [];
  for (let next = 0; next < pods * (seconds + warmSeconds); await sleep(tickMs)) {
    const nowMs = performance.timeOrigin + performance.now();
    for (; next < pods * (seconds + warmSeconds); next++) {
      const dueMs = startMs + Math.floor((next * 1000) / pods);
      if (dueMs > nowMs) break;
      const podId = `pod-${next % pods}`;
      const log = logs[(next % pods) % logs.length];
      const value = wire.LoadReport.fromPartial({ podId, unixMs: BigInt(dueMs), running: 8, work: steps });
      // One that is refused is one that the reader lacks: it is counted there.
      log?.publish('load', { key: podId, body: { $case: 'load', value } }).catch(() => undefined);
      due.push({ name: `${podId} ${dueMs}`, dueMs });
    }
  }
  return due;
}
