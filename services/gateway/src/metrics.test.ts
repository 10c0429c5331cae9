import { expect, test } from '@jest/globals';
import { GatewayMetrics } from './metrics.js';

const golden = `# HELP tercet_requests_total Requests by how they ended.
# TYPE tercet_requests_total counter
# HELP tercet_tokens_total Prompt and answer tokens.
# TYPE tercet_tokens_total counter
# HELP tercet_replans_total Attempts after the first.
# TYPE tercet_replans_total counter
# HELP tercet_ttft_seconds Request accepted to first token.
# TYPE tercet_ttft_seconds histogram
# HELP tercet_ttft_part_seconds Parts of TTFT along the critical path; they add up to it.
# TYPE tercet_ttft_part_seconds histogram
# HELP tercet_handover_seconds First to second token.
# TYPE tercet_handover_seconds histogram
# HELP tercet_tpot_seconds Time per output token after the first.
# TYPE tercet_tpot_seconds histogram
# HELP tercet_requests_running Requests that run now.
# TYPE tercet_requests_running gauge
# HELP tercet_requests_waiting Requests that wait for room to run.
# TYPE tercet_requests_waiting gauge`;

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

test('names, types and helps of the metrics are those that dashboards know', async () => {
  const text = await new GatewayMetrics().registry.metrics();
  expect(
    text
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .join('\n'),
  ).toBe(golden);
});

test('a request leaves its tokens, its parts and how it ended', async () => {
  const metrics = new GatewayMetrics();
  metrics.admitted({ running: 1, waiting: 2 });
  const usage = { promptTokens: 20, completionTokens: 3, cachedTokens: 16, mediaTokens: 16 };
  metrics.finished('m', { kind: 'finished', reason: 'stop', text: '', usage, timeline });
  metrics.ended('m', 'ok');
  const text = await metrics.registry.metrics();
  for (const line of [
    'tercet_requests_total{model="m",outcome="ok"} 1',
    'tercet_requests_running 1',
    'tercet_requests_waiting 2',
    'tercet_tokens_total{model="m",kind="prompt"} 20',
    'tercet_tokens_total{model="m",kind="cached"} 16',
    'tercet_replans_total{model="m"} 2',
    'tercet_ttft_seconds_sum{model="m"} 0.1',
    'tercet_ttft_part_seconds_sum{model="m",part="prefill"} 0.085',
    'tercet_handover_seconds_sum{model="m"} 0.008',
    'tercet_tpot_seconds_sum{model="m"} 0.019',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});
