import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import { ServiceMetrics, type Tracer } from '@tercet/telemetry';
import { MeasuredCalls } from './measured-calls.js';

type Part = Parameters<Tracer['record']>[0];

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const context = wire.CallContext.fromPartial({ traceparent });
const timings = { queueMs: 10, transferMs: 5, computeMs: 40 };

function open() {
  const clock = new ManualClock(1000);
  const metrics = new ServiceMetrics('stage');
  const parts: Part[] = [];
  const tracer: Tracer = {
    begin: () => ({ traceparent: '', end: () => undefined }),
    record: (part) => parts.push(part),
    close: async () => undefined,
  };
  const lines = async () => (await metrics.text()).split('\n');
  return { clock, calls: new MeasuredCalls({ metrics, tracer, clock }), parts, lines };
}

async function readAll(events: AsyncIterable<unknown>): Promise<unknown[]> {
  const read: unknown[] = [];
  for await (const event of events) read.push(event);
  return read;
}

describe('a measured call', () => {
  test('of prefill is passed on unchanged, and leaves its parts one after the other', async () => {
    const { clock, calls, parts, lines } = open();
    const request = wire.PrefillRequest.fromPartial({ context, tokenIds: [1, 2, 3], media: [{ start: 0 }] });
    const started = wire.PrefillEvent.fromPartial({ event: { $case: 'started', value: { cachedTokens: 2 } } });
    const first = wire.PrefillEvent.fromPartial({ event: { $case: 'firstToken', value: { timings } } });
    async function* events() {
      yield started;
      clock.advance(60);
      yield first;
      clock.advance(500);
    }
    expect(await readAll(calls.prefill(request, events()))).toEqual([started, first]);
    expect(parts).toEqual([
      { name: 'mediaTransfer', traceparent, startMs: 1000, endMs: 1005, attributes: {} },
      { name: 'prefillQueue', traceparent, startMs: 1005, endMs: 1015, attributes: {} },
      { name: 'prefill', traceparent, startMs: 1015, endMs: 1060, attributes: { tokens: 3, cachedTokens: 2 } },
    ]);
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tercet_stage_requests_total{role="prefill",outcome="ok"} 1',
        'tercet_stage_tokens_total{role="prefill"} 3',
        'tercet_stage_seconds_sum{role="prefill",part="queue"} 0.01',
        'tercet_transfer_seconds_sum{tensor="media"} 0.005',
      ]),
    );
  });

  test('of decode runs from the second token on, in the trace that its first command names', async () => {
    const { clock, calls, parts } = open();
    async function* commands() {
      yield wire.DecodeCommand.fromPartial({ command: { $case: 'open', value: { context } } });
    }
    async function* decode(heard: AsyncIterable<wire.DecodeCommand>) {
      for await (const _ of heard) clock.advance(5);
      yield wire.DecodeEvent.fromPartial({ event: { $case: 'ready', value: { timings } } });
      clock.advance(100);
      yield wire.DecodeEvent.fromPartial({ event: { $case: 'token', value: { tokenId: 1 } } });
      clock.advance(30);
      yield wire.DecodeEvent.fromPartial({ event: { $case: 'token', value: { tokenId: 2 } } });
      yield wire.DecodeEvent.fromPartial({ event: { $case: 'finished', value: { tokens: 2, timings } } });
    }
    await readAll(calls.decode(commands(), decode));
    expect(parts).toEqual([
      { name: 'kvTransfer', traceparent, startMs: 1000, endMs: 1005, attributes: {} },
      { name: 'decode', traceparent, startMs: 1105, endMs: 1135, attributes: { tokens: 2 } },
    ]);
  });

  test('of encode counts tiles by where their tokens came from', async () => {
    const { calls, lines, parts } = open();
    const request = wire.EncodeTilesRequest.fromPartial({ context, tiles: [{ index: 0 }, { index: 1 }, { index: 2 }] });
    async function* responses() {
      yield wire.EncodeTilesResponse.fromPartial({ tokensPerTile: 16, cachedTiles: 1, timings });
    }
    await readAll(calls.encodeTiles(request, responses()));
    expect(parts).toMatchObject([{ name: 'encode', attributes: { tiles: 3, cachedTiles: 1 } }]);
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tercet_media_tiles_total{source="cache"} 1',
        'tercet_media_tiles_total{source="computed"} 2',
        'tercet_stage_tokens_total{role="encode"} 48',
      ]),
    );
  });

  test('that fails keeps its error, counts under its code and marks its span', async () => {
    const { clock, calls, parts, lines } = open();
    async function* events() {
      yield wire.PrefillEvent.fromPartial({ event: { $case: 'started', value: {} } });
      clock.advance(7);
      throw new TercetError('kv_full');
    }
    const request = wire.PrefillRequest.fromPartial({ context });
    await expect(readAll(calls.prefill(request, events()))).rejects.toMatchObject({ code: 'kv_full' });
    expect(parts).toEqual([{ name: 'prefill', traceparent, startMs: 1000, endMs: 1007, error: 'kv_full' }]);
    expect(await lines()).toContain('tercet_stage_requests_total{role="prefill",outcome="kv_full"} 1');
  });

  test('whose caller leaves before the answer is cancelled, after it has ended well', async () => {
    const { calls, lines } = open();
    async function* responses() {
      yield wire.EncodeTilesResponse.fromPartial({ timings });
      throw new TercetError('cancelled');
    }
    const request = wire.EncodeTilesRequest.fromPartial({ context, tiles: [{}] });
    await readAll(calls.encodeTiles(request, responses())).catch(() => undefined);
    async function* events() {
      yield wire.PrefillEvent.fromPartial({ event: { $case: 'started', value: {} } });
    }
    for await (const _ of calls.prefill(wire.PrefillRequest.fromPartial({ context }), events())) break;
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'tercet_stage_requests_total{role="encode",outcome="ok"} 1',
        'tercet_stage_requests_total{role="prefill",outcome="cancelled"} 1',
      ]),
    );
  });
});
