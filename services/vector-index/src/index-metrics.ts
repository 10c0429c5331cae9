import type { CollectionStore } from '@tercet/collection-store';
import type { ServiceMetrics } from '@tercet/telemetry';
import type { CollectionCalls } from './collection-calls.js';

/** Collections whose memory has their name on it; the rest is together. */
const namedMax = 20;
const others = 'others';

/** What this process counts; the state of what is in memory is read at every scrape. */
export function watchCollections(
  metrics: ServiceMetrics<'vector-index'>,
  { store, calls }: { readonly store: CollectionStore; readonly calls: CollectionCalls },
): void {
  metrics.onScrape(() => {
    const opened = store.opened().map(({ tenant, name, state }) => {
      const bytes = Object.values(state.memory).reduce((sum, each) => sum + each, 0);
      return { name: `${tenant}/${name}`, state, bytes };
    });
    metrics.set('tercet_index_collections_open', {}, opened.length);
    metrics.set('tercet_index_searches_running', {}, calls.searches);
    const total = (figure: (each: (typeof opened)[number]['state']) => number) =>
      opened.reduce((sum, { state }) => sum + figure(state), 0);
    metrics.set(
      'tercet_index_points',
      {},
      total(({ points }) => points),
    );
    metrics.set(
      'tercet_index_log_bytes',
      {},
      total(({ logBytes }) => logBytes),
    );
    metrics.clear('tercet_index_memory_bytes');
    const memory = new Map<string, Map<keyof (typeof opened)[number]['state']['memory'], number>>();
    for (const [i, { name, state }] of opened.toSorted((a, b) => b.bytes - a.bytes).entries()) {
      const collection = i < namedMax ? name : others;
      const sums = memory.get(collection) ?? new Map();
      for (const [structure, bytes] of Object.entries(state.memory))
        sums.set(structure, (sums.get(structure) ?? 0) + bytes);
      memory.set(collection, sums);
    }
    for (const [collection, sums] of memory) {
      for (const [structure, bytes] of sums) metrics.set('tercet_index_memory_bytes', { collection, structure }, bytes);
    }
  });
}
