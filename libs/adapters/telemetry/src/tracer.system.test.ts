import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type SpanName, spanNames } from '@tercet/contracts';
import { TracingConfig } from './config.js';
import { openTracer } from './open-tracer.js';
import { parseTraceparent } from './traceparent.js';
import type { Tracer } from './tracer.js';

/** A collector that can be slow, or refuse. */
class Collector {
  names: string[] = [];
  requests = 0;
  status = 200;
  delayMs = 0;
  #server: Server | undefined;

  async start(): Promise<string> {
    const server = createServer(async (request, response) => {
      this.requests++;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      await sleep(this.delayMs);
      if (this.status === 200) this.names.push(...namesIn(Buffer.concat(chunks).toString()));
      response.writeHead(this.status).end('{}');
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

/** Of the spans; the instrumentation has a name too. */
function namesIn(json: string): SpanName[] {
  const names = [...json.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name);
  return names.filter((name): name is SpanName => spanNames.some((known) => known === name));
}

let collector: Collector;
let endpoint: string;
const outcomes: string[] = [];
beforeEach(async () => {
  collector = new Collector();
  endpoint = await collector.start();
  outcomes.length = 0;
});
afterEach(() => collector.stop());

function open(more: Partial<TracingConfig> = {}): Promise<Tracer> {
  const config = TracingConfig.parse({ endpoint, exportIntervalMs: 20, exportTimeoutMs: 500, ...more });
  return openTracer(config, { service: 'test', instance: 't', onExport: (outcome) => outcomes.push(outcome) });
}

function runRequest(tracer: Tracer, traceparent = ''): { traceparent: string; requestId: string } {
  const requestId = randomUUID();
  const span = tracer.begin({ requestId, traceparent, startMs: performance.now() });
  tracer.record({ name: 'queue', traceparent: span.traceparent, startMs: performance.now(), endMs: performance.now() });
  span.end({ endMs: performance.now() });
  return { traceparent: span.traceparent, requestId };
}

describe('a tracer', () => {
  test('names the trace of a request by its id, and sends its spans', async () => {
    const tracer = await open();
    const { traceparent, requestId } = runRequest(tracer);
    expect(parseTraceparent(traceparent)).toMatchObject({ traceId: requestId.replaceAll('-', ''), isSampled: true });
    await tracer.close();
    expect(collector.names).toEqual(expect.arrayContaining(['request', 'queue']));
    expect(outcomes).toEqual(['ok']);
  });

  test('samples as many as asked, and all parts of a request or none', async () => {
    const tracer = await open({ sampleRatio: 0.25, spansMax: 10_000 });
    const sampled = Array.from({ length: 2000 }, () => runRequest(tracer).traceparent).filter((text) =>
      text.endsWith('-01'),
    );
    await tracer.close();
    // Within five deviations of 500.
    expect(Math.abs(sampled.length - 500)).toBeLessThan(97);
    const count = (name: string) => collector.names.filter((one) => one === name).length;
    expect([count('request'), count('queue')]).toEqual([sampled.length, sampled.length]);
  });

  test("follows the caller's decision, whatever its own share", async () => {
    const caller = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7';
    const tracer = await open({ sampleRatio: 0 });
    expect(parseTraceparent(runRequest(tracer, `${caller}-01`).traceparent)?.isSampled).toBe(true);
    expect(parseTraceparent(runRequest(tracer, `${caller}-00`).traceparent)?.isSampled).toBe(false);
    await tracer.close();
    expect(collector.names.toSorted()).toEqual(['queue', 'request']);
  });

  test('keeps no more spans than it may while the collector is slow, and goes on afterwards', async () => {
    collector.delayMs = 300;
    const tracer = await open({ spansMax: 50 });
    for (let i = 0; i < 1000; i++) runRequest(tracer);
    collector.delayMs = 0;
    await sleep(500);
    // What was on its way, and what waited.
    expect(collector.names.length).toBeLessThanOrEqual(100);
    const before = collector.names.length;
    runRequest(tracer);
    await tracer.close();
    expect(collector.names.length).toBe(before + 2);
  });

  test.each([
    { name: 'refuses', prepare: () => (collector.status = 400) },
    { name: 'is not there', prepare: () => collector.stop() },
  ])('does not mind a collector that $name, counts it, and closes in time', async ({ prepare }) => {
    prepare();
    const tracer = await open({ exportTimeoutMs: 100 });
    const startMs = performance.now();
    for (let i = 0; i < 100; i++) runRequest(tracer);
    expect(performance.now() - startMs).toBeLessThan(500);
    for (let i = 0; i < 100 && outcomes.length === 0; i++) await sleep(50);
    await tracer.close();
    expect(new Set(outcomes)).toEqual(new Set(['failed']));
    expect(performance.now() - startMs).toBeLessThan(8000);
  });
});

describe('without an endpoint', () => {
  test("nothing is recorded, and the caller's trace goes through for the logs", async () => {
    const config = TracingConfig.parse({});
    const tracer = await openTracer(config, { service: 'test', instance: 't', onExport: () => outcomes.push('sent') });
    expect(runRequest(tracer).traceparent).toBe('');
    expect(runRequest(tracer, 'anything').traceparent).toBe('');
    const caller = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    expect(runRequest(tracer, caller).traceparent).toBe(caller);
    await tracer.close();
    expect([collector.requests, outcomes]).toEqual([0, []]);
  });
});
