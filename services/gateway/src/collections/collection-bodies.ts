import { payloadFieldKinds, TercetError, vectorMetrics, wire } from '@tercet/contracts';
import { z } from 'zod';
import { FilterBody, optionalFilter } from './filter-body.js';

const routeNames: Readonly<Record<number, string>> = {
  [wire.SearchRoute.SEARCH_ROUTE_NONE]: 'none',
  [wire.SearchRoute.SEARCH_ROUTE_EXACT_SCAN]: 'exact scan',
  [wire.SearchRoute.SEARCH_ROUTE_BITMAP_SCAN]: 'bitmap scan',
  [wire.SearchRoute.SEARCH_ROUTE_GRAPH]: 'graph',
  [wire.SearchRoute.SEARCH_ROUTE_FILTERED_GRAPH]: 'filtered graph',
  [wire.SearchRoute.SEARCH_ROUTE_GRAPH_THEN_SCAN]: 'graph then scan',
  [wire.SearchRoute.SEARCH_ROUTE_TEXT]: 'text',
};

const namesOf = <Name extends string>(table: Readonly<Record<Name, number>>) => Object.keys(table) as [Name, ...Name[]];

export const CollectionBody = z.strictObject({
  name: z.string(),
  /** Absent: what the embedding model makes. */
  dimensions: z.int().min(1).optional(),
  metric: z.enum(namesOf(vectorMetrics)).default('cosine'),
  fields: z
    .array(
      z.strictObject({ name: z.string(), kind: z.enum(namesOf(payloadFieldKinds)), language: z.string().optional() }),
    )
    .default([]),
  /** Points without a vector get that of the text in this field. */
  embedding: z.strictObject({ model: z.string().min(1), field: z.string().min(1) }).optional(),
});
export type CollectionBody = z.infer<typeof CollectionBody>;

const Vector = z.array(z.number()).min(1);
export const PointsBody = z.strictObject({
  points: z
    .array(
      z.strictObject({
        id: z.string(),
        vector: Vector.optional(),
        payload: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .min(1),
});
export type PointsBody = z.infer<typeof PointsBody>;

export const DeletePointsBody = z.union([
  z.strictObject({ ids: z.array(z.string()).min(1) }),
  z.strictObject({ filter: FilterBody }),
]);
export const GetPointsBody = z.strictObject({
  ids: z.array(z.string()).min(1),
  with_vectors: z.boolean().default(false),
});

const options = {
  k: z.int().min(1).default(10),
  filter: FilterBody.nullish(),
  ef_search: z.int().min(1).optional(),
  exact: z.boolean().default(false),
  with_payloads: z.boolean().default(true),
  with_vectors: z.boolean().default(false),
  /** `offset` of a write that the search must see. */
  min_offset: z.int().min(0).default(0),
  group_by: z.strictObject({ field: z.string(), size: z.int().min(1).default(1) }).optional(),
  diversity: z.number().min(0).lt(1).default(0),
};

export const SearchBody = z.strictObject({
  ...options,
  /** Embedded by the model of the collection. */
  query: z.string().min(1).optional(),
  vector: Vector.optional(),
  /** Ranked by BM25; beside a query or a vector, both rankings are fused. */
  text: z.strictObject({ field: z.string(), words: z.string().min(1) }).optional(),
  /** `text` is the query in the field that is embedded. */
  hybrid: z.boolean().default(false),
  fusion: z
    .union([
      z.strictObject({ kind: z.literal('ranks'), constant: z.int().min(1).default(60) }),
      z.strictObject({ kind: z.literal('scores'), vector_weight: z.number().min(0), text_weight: z.number().min(0) }),
    ])
    .optional(),
});
export type SearchBody = z.infer<typeof SearchBody>;

export const SearchBatchBody = z.strictObject({ searches: z.array(SearchBody).min(1).max(256) });
export const RecommendBody = z.strictObject({
  ...options,
  positive_ids: z.array(z.string()).min(1),
  negative_ids: z.array(z.string()).default([]),
});
export const ScrollBody = z.strictObject({
  filter: FilterBody.nullish(),
  limit: z.int().min(1).default(100),
  cursor: z.string().default(''),
  with_vectors: z.boolean().default(false),
});
export const CountBody = z.strictObject({ filter: FilterBody.nullish() });
export const BackupBody = z.strictObject({ backup: z.string() });

/** @param dimensions of the embedding model, where there is one @throws invalid_request when nobody says them */
export function specToWire(body: CollectionBody, dimensions: number | undefined): wire.CollectionSpec {
  const given = body.dimensions ?? dimensions;
  if (given === undefined) throw new TercetError('invalid_request', { param: 'dimensions', reason: 'missing' });
  if (dimensions !== undefined && given !== dimensions) {
    throw new TercetError('invalid_request', { param: 'dimensions', dimensions: given, expected: dimensions });
  }
  return {
    name: body.name,
    dimensions: given,
    metric: vectorMetrics[body.metric],
    fields: body.fields.map(({ name, kind, language = '' }) => ({ name, kind: payloadFieldKinds[kind], language })),
    embeddingModel: body.embedding?.model ?? '',
    embeddedField: body.embedding?.field ?? '',
  };
}

export function optionsToWire(
  body: Omit<z.infer<typeof RecommendBody>, 'positive_ids' | 'negative_ids'>,
): wire.SearchOptions {
  const { k, filter, exact, group_by: groupBy, diversity } = body;
  return wire.SearchOptions.fromPartial({
    k,
    ...optionalFilter(filter),
    efSearch: body.ef_search ?? 0,
    exact,
    withPayloads: body.with_payloads,
    withVectors: body.with_vectors,
    minOffset: BigInt(body.min_offset),
    ...(groupBy === undefined ? {} : { groupBy }),
    diversity,
  });
}

export function fusionToWire(fusion: SearchBody['fusion']): wire.Fusion | undefined {
  if (fusion === undefined) return undefined;
  if (fusion.kind === 'ranks') return { kind: { $case: 'ranks', value: { constant: fusion.constant } } };
  const { vector_weight: vectorWeight, text_weight: textWeight } = fusion;
  return { kind: { $case: 'scores', value: { vectorWeight, textWeight } } };
}

export function collectionObject({ spec, points, offset, memory, ...status }: wire.CollectionStatus): object {
  const { name, dimensions, metric, fields, embeddingModel: model, embeddedField: field } = spec as wire.CollectionSpec;
  return {
    object: 'collection',
    name,
    dimensions,
    metric: nameIn(vectorMetrics, metric),
    fields: fields.map((each) => ({
      name: each.name,
      kind: nameIn(payloadFieldKinds, each.kind),
      ...(each.language === '' ? {} : { language: each.language }),
    })),
    embedding: model === '' ? null : { model, field },
    points: Number(points),
    offset: Number(offset),
    snapshot_offset: Number(status.snapshotOffset),
    log_bytes: Number(status.logBytes),
    memory_bytes: Object.fromEntries(memory.map(({ structure, bytes }) => [structure, Number(bytes)])),
  };
}

export function hitsObject({ hits, explanation }: wire.HitList): object {
  return {
    object: 'list',
    data: hits.map(({ id, score, payload, vector, group }) => ({
      id,
      score,
      ...(payload === '' ? {} : { payload: JSON.parse(payload) }),
      ...(vector.byteLength === 0 ? {} : { vector: numbersOf(vector) }),
      ...(group === '' ? {} : { group }),
    })),
    explanation: explanation && explanationObject(explanation),
  };
}

export function pointsObject({ ids, vectors, payloads }: wire.Points): object[] {
  const bytes = vectors.byteLength / Math.max(1, ids.length);
  return ids.map((id, i) => ({
    id,
    ...(payloads[i] ? { payload: JSON.parse(payloads[i]) } : {}),
    ...(bytes === 0 ? {} : { vector: numbersOf(vectors.subarray(i * bytes, (i + 1) * bytes)) }),
  }));
}

/** Vectors one behind the other, as they go over the wire. */
export function vectorsToWire(vectors: readonly (readonly number[])[]): Buffer {
  const dimensions = vectors[0]?.length ?? 0;
  const uneven = vectors.find(({ length }) => length !== dimensions);
  if (uneven !== undefined) throw new TercetError('dimension_mismatch', { dimensions, given: uneven.length });
  const all = new Float32Array(vectors.length * dimensions);
  for (const [i, vector] of vectors.entries()) all.set(vector, i * dimensions);
  return Buffer.from(all.buffer);
}

function explanationObject({ route, filterMs, searchMs, ...counts }: wire.Explanation): object {
  return {
    route: routeNames[route] ?? 'unknown',
    exact: counts.exact,
    matches: Number(counts.matches),
    expected_matches: Number(counts.expectedMatches),
    candidates: Number(counts.candidates),
    text_candidates: Number(counts.textCandidates),
    filter_ms: filterMs,
    search_ms: searchMs,
  };
}

function numbersOf(bytes: Uint8Array): number[] {
  return [...new Float32Array(Uint8Array.from(bytes).buffer)];
}

function nameIn(table: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.keys(table).find((name) => table[name] === value);
}
