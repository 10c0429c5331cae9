import { ManualClock, type Prng } from '@tercet/base';
import { Collection } from '../collection.js';
import type { Points } from '../points.js';
import type { CollectionLimits, CollectionSpec } from '../spec.js';
import type { VectorIndex } from '../vector-index.js';

export const limits: CollectionLimits = {
  dimensionsMax: 64,
  fieldsMax: 8,
  pointsMax: 10_000,
  idCharsMax: 32,
  payloadBytesMax: 256,
  callPointsMax: 1000,
};

export const spec: CollectionSpec = {
  name: 'docs',
  dimensions: 3,
  metric: 'cosine',
  fields: [
    { name: 'colour', kind: 'keyword' },
    { name: 'year', kind: 'integer' },
    { name: 'price', kind: 'float' },
    { name: 'open', kind: 'bool' },
    { name: 'day', kind: 'datetime' },
    { name: 'body', kind: 'text', language: 'en' },
    { name: 'note', kind: 'stored' },
  ],
};

export interface TestPoint {
  readonly id: string;
  readonly vector: readonly number[];
  readonly payload?: Readonly<Record<string, unknown>>;
}

export function pointsOf(points: readonly TestPoint[]): Points {
  return {
    ids: points.map(({ id }) => id),
    vectors: Float32Array.from(points.flatMap(({ vector }) => vector)),
    payloads: points.map(({ payload }) => (payload === undefined ? '' : JSON.stringify(payload))),
  };
}

/** @param graph present: asked wherever a route leads through one */
export function collectionOf(points: readonly TestPoint[], more: Partial<CollectionSpec> = {}, graph?: VectorIndex) {
  const routes =
    graph === undefined ? { scanVectorsMax: 100, scanShareMax: 0 } : { scanVectorsMax: 4, scanShareMax: 0 };
  const collection = new Collection({ ...spec, ...more }, { clock: new ManualClock(), routes, graph });
  if (points.length > 0) collection.apply({ kind: 'upsert', points: pointsOf(points) });
  return collection;
}

export function randomVector(random: Prng, dimensions = 3): number[] {
  return Array.from({ length: dimensions }, () => random.nextFloat() * 2 - 1);
}
