import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spanNames } from '@tercet/contracts';
import { OtlpReceiver, type ReceivedSpan } from './otlp-receiver.js';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(120_000);

let receiver: OtlpReceiver;
let system: RunningSystem;
beforeAll(async () => {
  receiver = await OtlpReceiver.start();
  system = await RunningSystem.start(['--trace-endpoint', receiver.url]);
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const imageRequest = {
  model: 'tercet-tiny',
  temperature: 0,
  max_tokens: 24,
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: squarePicture([30, 60, 200]) } },
        { type: 'text', text: 'What colour is the square?' },
      ],
    },
  ],
};

describe('the trace of a request', () => {
  test('an image request is one trace: each part once, by the process that did it, under the request', async () => {
    const response = await system.post('/v1/chat/completions', imageRequest);
    const { id } = (await response.json()) as { id: string };
    const traceId = id.replace('chatcmpl-', '').replaceAll('-', '');
    const spans = await receiver.trace(traceId, spanNames);
    expect(spans.map(({ name }) => name).toSorted()).toEqual([...spanNames].toSorted());
    const request = byName(spans, 'request');
    expect(request.parentSpanId).toBe('');
    expect(request.attributes).toMatchObject({ 'tercet.model': 'tercet-tiny', 'tercet.reason': 'stop' });
    for (const span of spans)
      if (span !== request) expect([span.name, span.parentSpanId]).toEqual([span.name, request.spanId]);
    const by = Object.fromEntries(spans.map(({ name, instance }) => [name, instance]));
    expect(by).toMatchObject({
      encode: 'encode-0',
      mediaTransfer: 'prefill-0',
      prefillQueue: 'prefill-0',
      prefill: 'prefill-0',
      kvTransfer: 'decode-0',
      decode: 'decode-0',
    });
    expect(by.queue).toBe(by.request);
  });

  test('its durations are those of Server-Timing, its parts lie inside the request', async () => {
    const response = await system.post('/v1/chat/completions', imageRequest);
    const timing = timingOf(response.headers.get('server-timing') ?? '');
    const { id } = (await response.json()) as { id: string };
    const spans = await receiver.trace(id.replace('chatcmpl-', '').replaceAll('-', ''), spanNames);
    const ms = (name: string) => byName(spans, name).durationMs;
    // What a stage says of its own time is what the gateway takes over; the rest holds the way there and back.
    expect(ms('queue')).toBeCloseTo(timing.queue as number, 1);
    expect(ms('mediaFetch')).toBeCloseTo(timing['media-fetch'] as number, 1);
    expect(ms('mediaTransfer')).toBeCloseTo(timing['media-transfer'] as number, 1);
    expect(ms('prefillQueue')).toBeCloseTo(timing['prefill-queue'] as number, 1);
    for (const stage of ['encode', 'prefill']) {
      expect(ms(stage)).toBeGreaterThan(0);
      expect(ms(stage)).toBeLessThanOrEqual((timing[stage] as number) + 0.1);
    }
    const parts = ['queue', 'mediaFetch', 'encode', 'mediaTransfer', 'prefillQueue', 'prefill'];
    const sum = parts.reduce((total, name) => total + ms(name), 0);
    expect(sum).toBeLessThanOrEqual((timing.ttft as number) + 0.5);
    const request = byName(spans, 'request');
    for (const { startMs, durationMs } of spans) {
      expect(startMs).toBeGreaterThan(request.startMs - clockJitterMs);
      expect(startMs + durationMs).toBeLessThan(request.startMs + request.durationMs + clockJitterMs);
    }
  });

  test("the caller's trace goes on, through every stage", async () => {
    const { traceId, spanId } = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
    await ask({ ...imageRequest }, `00-${traceId}-${spanId}-01`);
    const spans = await receiver.trace(traceId, ['request', 'decode']);
    expect(byName(spans, 'request').parentSpanId).toBe(spanId);
    expect(byName(spans, 'decode').parentSpanId).toBe(byName(spans, 'request').spanId);
  });

  test('a caller that does not want a trace gets none', async () => {
    const traceId = randomBytes(16).toString('hex');
    await ask(imageRequest, `00-${traceId}-${randomBytes(8).toString('hex')}-00`);
    const after = randomBytes(16).toString('hex');
    await ask(imageRequest, `00-${after}-${randomBytes(8).toString('hex')}-01`);
    await receiver.trace(after, ['request', 'encode', 'prefill', 'decode']);
    expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });

  test('a header that is no trace context is left aside', async () => {
    const response = await ask(imageRequest, 'garbage');
    expect(response.status).toBe(200);
  });

  test('a request that fails says with which code', async () => {
    const traceId = randomBytes(16).toString('hex');
    const broken = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    const messages = [{ role: 'user', content: [broken] }];
    await ask({ ...imageRequest, messages }, `00-${traceId}-${randomBytes(8).toString('hex')}-01`);
    const [request] = await receiver.trace(traceId, ['request']);
    expect(request?.isError).toBe(true);
  });
});

/** Spans of two processes are placed by their wall clocks, which tick in milliseconds. */
const clockJitterMs = 3;

function byName(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const span = spans.find((one) => one.name === name);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
}

function timingOf(header: string): Record<string, number> {
  return Object.fromEntries(
    header.split(', ').map((part) => {
      const [name = '', duration = ''] = part.split(';dur=');
      return [name, Number(duration)];
    }),
  );
}

function ask(body: object, traceparent: string): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', traceparent };
  return fetch(`${system.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
}
