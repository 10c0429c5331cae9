import { TercetError } from '@tercet/contracts';
import { checkPayload } from './payload.js';
import type { CollectionLimits, CollectionSpec } from './spec.js';

/** Points column by column: `ids[i]`, the i-th vector, `payloads[i]`. */
export interface Points {
  readonly ids: readonly string[];
  /** [ids.length, dimensions] */
  readonly vectors: Float32Array;
  /** JSON objects; as many as ids, or none. */
  readonly payloads: readonly string[];
}

/** Changes of a collection, in the form in which they are logged. */
export type Change =
  | { readonly kind: 'upsert'; readonly points: Points }
  | { readonly kind: 'delete'; readonly ids: readonly string[] };

/**
 * Refuses points that a collection cannot hold.
 * @throws id_invalid, id_duplicate, dimension_mismatch, vector_not_finite, vector_zero, payload_invalid, field_unknown,
 *   index_limit_reached, invalid_request
 */
export function checkPoints(spec: CollectionSpec, points: Points, limits: CollectionLimits): void {
  const { ids, vectors, payloads } = points;
  const { dimensions } = spec;
  checkIds(ids, limits);
  if (vectors.length !== ids.length * dimensions) {
    const given = vectors.length / ids.length;
    throw new TercetError('dimension_mismatch', { dimensions, given: Number.isInteger(given) ? given : 'uneven' });
  }
  if (payloads.length !== 0 && payloads.length !== ids.length) {
    throw new TercetError('payload_invalid', { payloads: payloads.length, ids: ids.length });
  }
  for (const [i, id] of ids.entries()) {
    checkVector(spec, vectors.subarray(i * dimensions, (i + 1) * dimensions), id);
    if (payloads.length > 0) checkPayload(spec, payloads[i] as string, { id, limits });
  }
}

/** @throws id_invalid, id_duplicate, index_limit_reached, invalid_request */
export function checkIds(ids: readonly string[], { idCharsMax, callPointsMax }: CollectionLimits): void {
  if (ids.length === 0) throw new TercetError('invalid_request', { param: 'ids', reason: 'none' });
  if (ids.length > callPointsMax) throw new TercetError('index_limit_reached', { points: ids.length, callPointsMax });
  const seen = new Set<string>();
  for (const id of ids) {
    if (id.length === 0 || id.length > idCharsMax)
      throw new TercetError('id_invalid', { chars: id.length, idCharsMax });
    if (seen.has(id)) throw new TercetError('id_duplicate', { id });
    seen.add(id);
  }
}

/**
 * @param of id of the point, or what else the vector belongs to
 * @throws dimension_mismatch, vector_not_finite, vector_zero
 */
export function checkVector({ dimensions, metric }: CollectionSpec, vector: Float32Array, of: string): void {
  if (vector.length !== dimensions) {
    throw new TercetError('dimension_mismatch', { of, dimensions, given: vector.length });
  }
  let squares = 0;
  for (let i = 0; i < dimensions; i++) squares += (vector[i] as number) ** 2;
  // Squares of what float32 can hold never overflow a double.
  if (!Number.isFinite(squares)) throw new TercetError('vector_not_finite', { of });
  if (squares === 0 && metric === 'cosine') throw new TercetError('vector_zero', { of });
}
