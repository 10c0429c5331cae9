// Question: how many vectors a second become durable and visible, in calls of 256 of which 8 are under way, with two
// indexed fields each, and how long are they read at the next start?
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '@tercet/base';
import { type CollectionSpec, type Points, pointsFromWire, pointsToWire } from '@tercet/collection';
import { CollectionStore } from '@tercet/collection-store';
import { systemClock } from '@tercet/telemetry';
import type { BenchOptions, BenchResult } from '../suite.js';

const dimensions = 384;
const pointCount = 60_000;
const callPoints = 256;
const callsAtATime = 8;
const spec: CollectionSpec = {
  name: 'bench',
  dimensions,
  metric: 'cosine',
  fields: [
    { name: 'source', kind: 'keyword' },
    { name: 'chunk', kind: 'integer' },
  ],
};

export async function run({ say }: BenchOptions): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-ingest-'));
  try {
    const calls = [...someCalls()];
    const startedMs = performance.now();
    {
      await using store = storeIn(folder);
      await store.create('bench', spec);
      await ingest(store, calls);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    say(`${pointCount} vectors durable in ${seconds.toFixed(2)} s`);
    const openMs = await reopened(folder);
    return { metrics: { ingestPerSecond: Math.round(pointCount / seconds), openMs: Math.round(openMs) }, peer: {} };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ingest(store: CollectionStore, calls: readonly Points[]): Promise<void> {
  let next = 0;
  const write = async () => {
    for (let points = calls[next++]; points !== undefined; points = calls[next++]) {
      const written = points;
      await store.use({ tenant: 'bench', name: spec.name }, (collection) => collection.upsert(written));
    }
  };
  await Promise.all(Array.from({ length: callsAtATime }, write));
}

async function reopened(folder: string): Promise<number> {
  const startedMs = performance.now();
  await using store = storeIn(folder);
  const points = await store.use({ tenant: 'bench', name: spec.name }, async ({ memory }) => memory.size);
  if (points !== pointCount) throw new Error(`${points} points of ${pointCount} came back`);
  return performance.now() - startedMs;
}

function* someCalls(): Generator<Points> {
  const random = new Prng(1);
  for (let first = 0; first < pointCount; first += callPoints) {
    const count = Math.min(callPoints, pointCount - first);
    const ids = Array.from({ length: count }, (_, i) => `point-${first + i}`);
    const vectors = Float32Array.from({ length: count * dimensions }, () => random.nextFloat() - 0.5);
    const payloads = ids.map((_, i) => JSON.stringify({ source: `file-${random.nextBelow(500)}.md`, chunk: i }));
    // As a call brings them.
    yield pointsFromWire(pointsToWire({ ids, vectors, payloads }));
  }
}

function storeIn(folder: string): CollectionStore {
  return CollectionStore.open({
    folder: join(folder, 'collections'),
    backupFolder: join(folder, 'backups'),
    collectionsMax: 1,
    openMax: 1,
    writesWaitingMax: 64,
    logBytesMax: 2 ** 30,
    limits: {
      dimensionsMax: dimensions,
      fieldsMax: 8,
      pointsMax: pointCount,
      idCharsMax: 64,
      payloadBytesMax: 1024,
      callPointsMax: callPoints,
    },
    memoryOf: () => ({ clock: systemClock, routes: { scanVectorsMax: 4096, scanShareMax: 0.01 } }),
  });
}
