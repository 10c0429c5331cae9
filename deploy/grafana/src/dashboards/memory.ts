import { is, isNot } from '@tercet/promql';
import { type Dashboard, percentiles, promql, type Row } from '../panel.js';

const cachedTokens = promql.rate('tercet_prefix_cached_tokens_total', []);
const promptTokens = promql.rate('tercet_stage_tokens_total', [], { role: is('prefill') });

const caches: Row = {
  title: 'Caches',
  panels: [
    {
      title: 'KV blocks in use',
      description:
        'Share of the KV blocks that requests hold. Kept prefixes are not counted: they yield to any request.',
      kind: 'lines',
      unit: 'share',
      badAbove: 0.95,
      queries: [
        {
          expr:
            `${promql.max('tercet_kv_blocks_used', ['pod', 'role'])} / ` +
            promql.max('tercet_kv_blocks_max', ['pod', 'role']),
          legend: '{{pod}} {{role}}',
        },
      ],
    },
    {
      title: 'Prefix hits',
      description: 'Share of the prompt tokens whose KV was there already: they cost no compute.',
      kind: 'lines',
      unit: 'share',
      queries: [{ expr: `${cachedTokens} / ${promptTokens}`, legend: 'cached' }],
    },
    {
      title: 'Media cache',
      description: 'Tiles of images by where their media tokens came from.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_media_tiles_total', ['source']), legend: '{{source}}' }],
    },
    {
      title: 'Media hits',
      description: 'Share of the tiles that were not encoded again.',
      kind: 'lines',
      unit: 'share',
      queries: [
        {
          expr:
            `${promql.rate('tercet_media_tiles_total', [], { source: is('cache') })} / ` +
            promql.rate('tercet_media_tiles_total', []),
          legend: 'hits',
        },
      ],
    },
  ],
};

const expectedTokens = promql.rate('tercet_route_tokens_total', [], { result: isNot('unforeseen') });

const routing: Row = {
  title: 'Routing by cache',
  panels: [
    {
      title: 'Routes',
      description:
        'Attempts by why their prefill pod was taken: the only one; it has the most of the prompt (prefix); that one ' +
        'had too long a queue (queue); nobody had any of it, or only load counts (load).',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_routes_total', ['reason']), legend: '{{reason}}' }],
    },
    {
      title: 'Hits that did not come true',
      description: 'Share of the prompt tokens that were expected to be cached at the pod and were not.',
      kind: 'lines',
      unit: 'share',
      badAbove: 0.1,
      queries: [
        {
          expr: `${promql.rate('tercet_route_tokens_total', [], { result: is('missing') })} / ${expectedTokens}`,
          legend: 'missing',
        },
      ],
    },
    {
      title: 'What the routers know',
      description: 'Cached prompt blocks and tiles of all pods that a gateway knows of.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_route_facts', ['kind']), legend: '{{kind}}' }],
    },
    {
      title: 'Snapshots instead of changes',
      description:
        'Readers that began anew: new ones (first), after a restart of the pod, too late to go on (expired), or ' +
        'slower than the changes (slow). Gaps: streams in which something was missing.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [
        { expr: promql.rate('tercet_fact_resyncs_total', ['reason']), legend: '{{reason}}' },
        { expr: promql.rate('tercet_fact_gaps_total', []), legend: 'gaps' },
      ],
    },
  ],
};

const leases: Row = {
  title: 'Tensor leases',
  panels: [
    {
      title: 'Leases',
      description: 'Tensors that are lent, and expired ones whose memory is not used again yet.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_leases', ['state']), legend: '{{state}}' }],
    },
    {
      title: 'Memory under leases',
      description: 'Bytes of the tensors that are lent or in quarantine.',
      kind: 'lines',
      unit: 'bytes',
      queries: [{ expr: promql.sum('tercet_lease_bytes', ['state']), legend: '{{state}}' }],
    },
    {
      title: 'Ends of leases',
      description: 'Released is the good end. Expired: nobody came. Failed: the owner took it back.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_leases_ended_total', ['how']), legend: '{{how}}' }],
    },
    {
      title: 'Refused reads',
      description: 'Reads and releases of leases that were unknown, expired, consumed or mismatching.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_leases_refused_total', ['pod']), legend: '{{pod}}' }],
    },
  ],
};

const transfers: Row = {
  title: 'Transfers',
  panels: [
    {
      title: 'Bytes pulled',
      description: 'Bytes per second by the path that they took: mapped memory, a Unix socket, or the network.',
      kind: 'stack',
      unit: 'bytesPerSecond',
      queries: [{ expr: promql.rate('tercet_transfer_bytes_total', ['path']), legend: '{{path}}' }],
    },
    {
      title: 'Transfers that failed',
      description:
        'Pulls that ended without a tensor, by how. A corrupt one was noticed by its checksum and tried again.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [
        {
          expr: promql.rate('tercet_transfers_total', ['outcome'], { outcome: isNot('ok') }),
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Time to pull media tokens',
      description: 'Of one request, from encode to prefill. On the critical path.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_transfer_seconds', { matchers: { tensor: is('media') } })),
    },
    {
      title: 'Time to pull KV',
      description: 'Of one request, from prefill to decode; most of it passes while prefill still computes.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_transfer_seconds', { matchers: { tensor: is('kv') } })),
    },
  ],
};

export const memory: Dashboard = {
  uid: 'tercet-memory',
  title: 'Tercet / Caches and transfers',
  description: 'KV and media caches, tensors that are lent, and bytes on their way between the stages.',
  rows: [caches, routing, leases, transfers],
};
