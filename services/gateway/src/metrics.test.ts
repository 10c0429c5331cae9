import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { systemClock } from '@tercet/telemetry';
import { GatewayMetrics } from './metrics.js';
import { Demand } from './pipeline/demand.js';

const parts = { queueMs: 1, mediaFetchMs: 2, encodeMs: 3, mediaTransferMs: 4, prefillQueueMs: 5, prefillMs: 85 };
const timeline = {
  requestId: 'r',
  ttftMs: 100,
  parts,
  handoverMs: 8,
  decodeMs: 30,
  tokensPerSecond: 50,
  attempts: 3,
  pods: { encode: [], prefill: 'p', decode: 'd' },
};
const usage = { promptTokens: 20, completionTokens: 3, cachedTokens: 16, mediaTokens: 16 };
const finished = { kind: 'finished', reason: 'stop', text: '', usage, timeline } as const;

function open(slo: Partial<{ ttftMs: number; tpotMs: number }> = {}): GatewayMetrics {
  return new GatewayMetrics({ slo: { ttftMs: 1000, tpotMs: 100, attainment: 0.95, ...slo }, runningMax: 8 });
}

async function linesOf(metrics: GatewayMetrics): Promise<string[]> {
  return (await metrics.text()).split('\n');
}

test('requests that wait for a pod are counted when they are looked at', async () => {
  const metrics = open();
  const demand = new Demand(['m', 'n'], systemClock);
  metrics.watchDemand(demand);
  using _held = demand.hold('m');
  expect(await linesOf(metrics)).toEqual(
    expect.arrayContaining(['tercet_requests_held{model="m"} 1', 'tercet_requests_held{model="n"} 0']),
  );
});

test('a request leaves its tokens, its parts and how it ended', async () => {
  const metrics = open();
  metrics.finished('m', finished);
  metrics.ended('m', 'ok');
  metrics.admitted({ running: 1, waiting: 2 });
  expect(await linesOf(metrics)).toEqual(
    expect.arrayContaining([
      'tercet_requests_total{model="m",outcome="ok"} 1',
      'tercet_requests_running 1',
      'tercet_requests_waiting 2',
      'tercet_requests_running_max 8',
      'tercet_tokens_total{model="m",kind="prompt"} 20',
      'tercet_tokens_total{model="m",kind="cached"} 16',
      'tercet_replans_total{model="m"} 2',
      'tercet_ttft_seconds_sum{model="m"} 0.1',
      'tercet_ttft_part_seconds_sum{model="m",part="prefill"} 0.085',
      'tercet_handover_seconds_sum{model="m"} 0.008',
      'tercet_tpot_seconds_sum{model="m"} 0.019',
      'tercet_slo_requests_total{model="m",result="met"} 1',
    ]),
  );
});

test('what was expected to be cached is compared with what was', async () => {
  const metrics = open();
  metrics.routed('m', 'prefix');
  metrics.predicted('m', { expected: 64, found: 48 });
  metrics.predicted('m', { expected: 16, found: 32 });
  metrics.watchFacts(() => ({ prefix: 7, media: 2, gaps: 1 }));
  expect(await linesOf(metrics)).toEqual(
    expect.arrayContaining([
      'tercet_routes_total{model="m",reason="prefix"} 1',
      'tercet_route_tokens_total{model="m",result="found"} 64',
      'tercet_route_tokens_total{model="m",result="missing"} 16',
      'tercet_route_tokens_total{model="m",result="unforeseen"} 16',
      'tercet_route_facts{kind="prefix"} 7',
      'tercet_route_facts{kind="media"} 2',
      'tercet_fact_gaps_total 1',
    ]),
  );
});

describe('who met the SLO', () => {
  test.each([
    { name: 'a first token that came too late', slo: { ttftMs: 99 } },
    { name: 'tokens that came too slowly', slo: { tpotMs: 18 } },
  ])('$name missed it', async ({ slo }) => {
    const metrics = open(slo);
    metrics.finished('m', finished);
    expect(await linesOf(metrics)).toContain('tercet_slo_requests_total{model="m",result="missed"} 1');
  });

  test('an answer of one token has no time per token to miss', async () => {
    const metrics = open({ tpotMs: 1 });
    metrics.finished('m', { ...finished, usage: { ...usage, completionTokens: 1 } });
    expect(await linesOf(metrics)).toContain('tercet_slo_requests_total{model="m",result="met"} 1');
  });

  test.each([
    { outcome: 'overloaded', counts: true },
    { outcome: 'stage_failed', counts: true },
    { outcome: 'invalid_request', counts: false },
    { outcome: 'cancelled', counts: false },
  ])('a request that ended with $outcome counts: $counts', async ({ outcome, counts }) => {
    const metrics = open();
    metrics.ended('m', outcome);
    const missed = (await linesOf(metrics)).filter((line) => line.includes('result="missed"} 1'));
    expect(missed.length).toBe(counts ? 1 : 0);
  });
});

test('an error counts by its code, and is no request that ended', async () => {
  const metrics = open();
  metrics.refused('model_not_found');
  const lines = await linesOf(metrics);
  expect(lines).toContain('tercet_http_errors_total{code="model_not_found"} 1');
  expect(lines.filter((line) => line.startsWith('tercet_requests_total{'))).toEqual([]);
});

test('a model without pods of a role shows none, instead of nothing', async () => {
  const metrics = open();
  metrics.watchPods([{ model: 'm', roles: ['prefill', 'decode'] }], () => [
    { model: 'm', role: wire.Role.ROLE_PREFILL },
  ]);
  expect(await linesOf(metrics)).toEqual(
    expect.arrayContaining(['tercet_pods{model="m",role="prefill"} 1', 'tercet_pods{model="m",role="decode"} 0']),
  );
});
