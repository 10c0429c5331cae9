import { type Dashboard, percentiles, promql, type Row } from '../panel.js';

const searches: Row = {
  title: 'Searches',
  panels: [
    {
      title: 'Calls',
      description: 'Calls of the vector index by what they ask and how they ended.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_index_calls_total', ['call', 'outcome']), legend: '{{call}} {{outcome}}' }],
    },
    {
      title: 'Time of a query',
      description: 'Time of one query with its filter, without the time that it waited for its turn.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_index_search_seconds')),
    },
    {
      title: 'Vectors compared',
      description: 'Vectors that were compared with queries, by the way that was taken; scans compare many.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_index_candidates_total', ['route']), legend: '{{route}}' }],
    },
    {
      title: 'Searches under way',
      description: 'Searches that are being answered; one more than the limit is refused.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_index_searches_running', []), legend: 'searches' }],
    },
  ],
};

const writes: Row = {
  title: 'Writes and files',
  panels: [
    {
      title: 'Time of a write',
      description: 'Time until a write was durable and every later search saw it.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_index_write_seconds')),
    },
    {
      title: 'Points changed',
      description: 'Points that were written and taken away.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_index_points_changed_total', ['change']), legend: '{{change}}' }],
    },
    {
      title: 'Log',
      description: 'Log that no snapshot replaces yet; it is read at the next start of a collection.',
      kind: 'lines',
      unit: 'bytes',
      queries: [{ expr: promql.sum('tercet_index_log_bytes', []), legend: 'log' }],
    },
    {
      title: 'Snapshots',
      description: 'Snapshots that were written because the log was long, by how that ended.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_index_snapshots_total', ['outcome']), legend: '{{outcome}}' }],
    },
  ],
};

const memory: Row = {
  title: 'Memory',
  panels: [
    {
      title: 'Memory by structure',
      description: 'Memory of the collections that are open, by what it holds.',
      kind: 'stack',
      unit: 'bytes',
      width: 8,
      queries: [{ expr: promql.sum('tercet_index_memory_bytes', ['structure']), legend: '{{structure}}' }],
    },
    {
      title: 'Memory by collection',
      description: 'Memory of the largest collections; those behind the first 20 are together, as others.',
      kind: 'stack',
      unit: 'bytes',
      width: 8,
      queries: [{ expr: promql.sum('tercet_index_memory_bytes', ['collection']), legend: '{{collection}}' }],
    },
    {
      title: 'Open collections and points',
      description: 'Collections that are in memory, and the points in them.',
      kind: 'lines',
      unit: 'count',
      width: 8,
      queries: [
        { expr: promql.sum('tercet_index_collections_open', []), legend: 'collections' },
        { expr: promql.sum('tercet_index_points', []), legend: 'points' },
      ],
    },
  ],
};

export const vectorIndex: Dashboard = {
  uid: 'tercet-vector-index',
  title: 'Tercet / Vector index',
  description: 'What is searched and written, how long it takes, and what it holds.',
  rows: [searches, writes, memory],
};
