import { errorTable } from '@tercet/contracts';
import { is, isNot, oneOf } from '@tercet/promql';
import { type Dashboard, type Panel, percentiles, promql, type Row } from '../panel.js';

const serverFaults = Object.entries(errorTable).flatMap(([code, { http }]) => (http >= 500 ? [code] : []));

const offered = promql.rate('tercet_slo_requests_total', []);
const met = promql.rate('tercet_slo_requests_total', [], { result: is('met') });
const budget = `(1 - ${promql.max('tercet_slo_attainment_ratio', [])})`;

/** How fast the error budget goes: 1 uses it up exactly in the period that the SLO is for. */
function burn(window: string): string {
  const scoped = promql.over(window);
  const missed = scoped.rate('tercet_slo_requests_total', [], { result: is('missed') });
  return `(${missed} / ${scoped.rate('tercet_slo_requests_total', [])}) / ${budget}`;
}

const atAGlance: Panel[] = [
  {
    title: 'Requests',
    description: 'Requests that ended, however they ended, per second.',
    kind: 'number',
    unit: 'requestsPerSecond',
    queries: [{ expr: promql.rate('tercet_requests_total', []), legend: 'requests' }],
  },
  {
    title: 'Goodput',
    description: 'Requests per second that met every SLO. Refused and failed ones do not count.',
    kind: 'number',
    unit: 'requestsPerSecond',
    queries: [{ expr: met, legend: 'goodput' }],
  },
  {
    title: 'SLO attainment',
    description: 'Share of the offered requests that met every SLO.',
    kind: 'number',
    unit: 'share',
    badBelow: 0.95,
    queries: [{ expr: `${met} / ${offered}`, legend: 'attainment' }],
  },
  {
    title: 'TTFT p95',
    description: 'Request accepted to first token, 95th percentile.',
    kind: 'number',
    unit: 'seconds',
    queries: [{ expr: promql.quantile(0.95, 'tercet_ttft_seconds'), legend: 'TTFT' }],
  },
  {
    title: 'TPOT p95',
    description: 'Time per output token after the first, 95th percentile of the requests.',
    kind: 'number',
    unit: 'seconds',
    queries: [{ expr: promql.quantile(0.95, 'tercet_tpot_seconds'), legend: 'TPOT' }],
  },
  {
    title: 'Failed',
    description: 'Share of the requests that ended with a fault of the system (HTTP 5xx).',
    kind: 'number',
    unit: 'share',
    badAbove: 0.01,
    queries: [
      {
        expr:
          `(${promql.rate('tercet_requests_total', [], { outcome: oneOf(serverFaults) })} or vector(0)) / ` +
          promql.rate('tercet_requests_total', []),
        legend: 'failed',
      },
    ],
  },
];

const ttft: Row = {
  title: 'Time to first token',
  panels: [
    {
      title: 'TTFT',
      description: 'Request accepted by the gateway to first token written, with the SLO.',
      kind: 'lines',
      unit: 'seconds',
      queries: [
        ...percentiles((q) => promql.quantile(q, 'tercet_ttft_seconds')),
        { expr: promql.max('tercet_slo_seconds', [], { objective: is('ttft') }), legend: 'SLO' },
      ],
    },
    {
      title: 'Parts of TTFT',
      description:
        'Mean of each part along the critical path. They follow one another, so the top of the stack is TTFT.',
      kind: 'stack',
      unit: 'seconds',
      queries: [{ expr: promql.mean('tercet_ttft_part_seconds', ['part']), legend: '{{part}}' }],
    },
    {
      title: 'Parts of TTFT, p95',
      description: '95th percentile of each part by itself; a percentile of the whole is less than their sum.',
      kind: 'lines',
      unit: 'seconds',
      queries: [{ expr: promql.quantile(0.95, 'tercet_ttft_part_seconds', { by: ['part'] }), legend: '{{part}}' }],
    },
    {
      title: 'Distribution of TTFT',
      description:
        'How many requests had which TTFT. Two bands are two kinds of requests: with and without an image, say.',
      kind: 'heatmap',
      unit: 'seconds',
      queries: [{ expr: promql.buckets('tercet_ttft_seconds'), legend: '{{le}}' }],
    },
  ],
};

const tokens: Row = {
  title: 'After the first token',
  panels: [
    {
      title: 'TPOT',
      description: 'Time per output token after the first, one value per request, with the SLO.',
      kind: 'lines',
      unit: 'seconds',
      queries: [
        ...percentiles((q) => promql.quantile(q, 'tercet_tpot_seconds')),
        { expr: promql.max('tercet_slo_seconds', [], { objective: is('tpot') }), legend: 'SLO' },
      ],
    },
    {
      title: 'Hand-over',
      description: 'First to second token: KV moves from prefill to decode meanwhile, or has moved already.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_handover_seconds')),
    },
    {
      title: 'Tokens',
      description: 'Prompt tokens (cached and media tokens are among them) and answer tokens per second.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_tokens_total', ['kind']), legend: '{{kind}}' }],
    },
    {
      title: 'Requests by model',
      description: 'Requests that ended, by the model that was asked for.',
      kind: 'stack',
      unit: 'requestsPerSecond',
      queries: [{ expr: promql.rate('tercet_requests_total', ['model']), legend: '{{model}}' }],
    },
  ],
};

const slo: Row = {
  title: 'Goodput and SLO',
  panels: [
    {
      title: 'Offered and good',
      description: 'Requests that were offered, and those of them that met every SLO. The gap is what users feel.',
      kind: 'lines',
      unit: 'requestsPerSecond',
      queries: [
        { expr: offered, legend: 'offered' },
        { expr: met, legend: 'good' },
      ],
    },
    {
      title: 'Burn of the error budget',
      description:
        'Share of missed requests over the share that may be missed. At 1 the budget lasts exactly its period; the ' +
        'alerts fire at 14.4 over one hour and at 6 over six.',
      kind: 'lines',
      unit: 'count',
      badAbove: 14.4,
      queries: ['5m', '1h', '6h'].map((window) => ({ expr: burn(window), legend: window })),
    },
  ],
};

const failures: Row = {
  title: 'Load and failures',
  panels: [
    {
      title: 'Errors by code',
      description: 'Requests that did not end well, by the code that the client got; docs/errors.md has them all.',
      kind: 'stack',
      unit: 'requestsPerSecond',
      queries: [
        { expr: promql.rate('tercet_requests_total', ['outcome'], { outcome: isNot('ok') }), legend: '{{outcome}}' },
      ],
    },
    {
      title: 'HTTP errors by code',
      description: 'Errors that clients got instead of an answer; those that never reached a stage are among them.',
      kind: 'stack',
      unit: 'requestsPerSecond',
      queries: [{ expr: promql.rate('tercet_http_errors_total', ['code']), legend: '{{code}}' }],
    },
    {
      title: 'Running requests',
      description: 'Requests that the gateway works on, and how many it takes at most before it refuses with 429.',
      kind: 'lines',
      width: 8,
      unit: 'count',
      queries: [
        { expr: promql.sum('tercet_requests_running', []), legend: 'running' },
        { expr: promql.sum('tercet_requests_running_max', []), legend: 'limit' },
      ],
    },
    {
      title: 'Replanned attempts',
      description: 'Attempts after the first: a pod refused, died or moved on, and the request went on elsewhere.',
      kind: 'lines',
      width: 8,
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_replans_total', ['model']), legend: '{{model}}' }],
    },
    {
      title: 'Batches of spans',
      description: 'Exports of traces by how they ended. A failed one is lost; requests do not notice.',
      kind: 'lines',
      width: 8,
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_trace_exports_total', ['outcome']), legend: '{{outcome}}' }],
    },
  ],
};

const admission: Row = {
  title: 'Who is let in',
  panels: [
    {
      title: 'Refused for want of room',
      description:
        'By the limit that was met. The rates and the concurrency are those of a tenant; GET /tercet/tenants names it.',
      kind: 'stack',
      unit: 'requestsPerSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_admission_refused_total', ['limit']), legend: '{{limit}}' }],
    },
    {
      title: 'Waiting',
      description:
        'Requests of tenants that wait because all room is taken (anonymous ones are refused instead), and requests ' +
        'that wait for a pod: one of a stage that has none, or those of a pool that wakes.',
      kind: 'lines',
      unit: 'count',
      width: 8,
      queries: [
        { expr: promql.sum('tercet_requests_waiting', []), legend: 'for room' },
        { expr: promql.sum('tercet_requests_held', ['model']), legend: 'for a pod of {{model}}' },
      ],
    },
    {
      title: 'Refused keys',
      description: 'Requests whose key did not let them in, by why; many that are not known may be guesses.',
      kind: 'stack',
      unit: 'requestsPerSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_keys_refused_total', ['reason']), legend: '{{reason}}' }],
    },
    {
      title: 'Certificates',
      description: 'Time until the certificate of a pod ends. Without TLS there is none.',
      kind: 'lines',
      unit: 'seconds',
      width: 24,
      queries: [{ expr: promql.min('tercet_certificate_left_seconds', ['pod']), legend: '{{pod}}' }],
    },
  ],
};

const batches: Row = {
  title: 'Batches',
  panels: [
    {
      title: 'Lines of batches',
      description:
        'Lines by how they ended. Returned ones gave their room back and are begun again; a late result was thrown ' +
        'away because the line had one.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_batch_lines_total', ['outcome']), legend: '{{outcome}}' }],
    },
    {
      title: 'Lines to do',
      description: 'Lines without a result, and those of them that run now.',
      kind: 'lines',
      unit: 'count',
      queries: [
        { expr: promql.max('tercet_batch_lines_left', []), legend: 'left' },
        { expr: promql.sum('tercet_batch_lines_running', []), legend: 'running' },
      ],
    },
    {
      title: 'Batches under way',
      description: 'Batches that are not over, by their state.',
      kind: 'stack',
      unit: 'count',
      width: 8,
      queries: [{ expr: promql.max('tercet_batches', ['state']), legend: '{{state}}' }],
    },
    {
      title: 'Age of the oldest batch',
      description: 'Since it was created. One that nears its window of 24 hours will not be answered in full.',
      kind: 'lines',
      unit: 'seconds',
      width: 8,
      badAbove: 72_000,
      queries: [{ expr: promql.max('tercet_batch_oldest_seconds', []), legend: 'oldest' }],
    },
    {
      title: 'Files',
      description: 'Content of the files that are kept, results of batches included; looked at once a minute.',
      kind: 'lines',
      unit: 'bytes',
      width: 8,
      queries: [{ expr: promql.max('tercet_files_bytes', []), legend: 'files' }],
    },
  ],
};

export const requests: Dashboard = {
  uid: 'tercet-requests',
  title: 'Tercet / Requests',
  description: 'What users feel: time to first token with its parts, time per token, goodput, errors.',
  rows: [{ title: 'At a glance', panels: atAGlance }, ttft, tokens, slo, failures, admission, batches],
};
