import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { Bitmap } from './bitmap.js';
import type { CollectionOptions } from './collection-options.js';
import { ExactIndex } from './exact-index.js';
import { PayloadIndex } from './fields/payload-index.js';
import { checkFilter } from './filter/check-filter.js';
import type { Filter } from './filter/filter.js';
import { matching } from './filter/matching.js';
import type { Change, Points } from './points.js';
import type { Answer, Query, QueryOptions } from './search/query.js';
import { Search } from './search/search.js';
import { SlotTable } from './slot-table.js';
import type { CollectionSpec } from './spec.js';

/** What a structure takes. */
export type MemoryUse = Readonly<Record<'vectors' | 'payloads' | 'filters' | 'text' | 'ids', number>>;

/** The points of one collection in memory: changed in the order of its log, searched in between. */
export class Collection {
  readonly spec: CollectionSpec;
  readonly #options: CollectionOptions;
  readonly #slots = new SlotTable();
  readonly #vectors: ExactIndex;
  readonly #fields: PayloadIndex;
  readonly #payloads: string[] = [];
  #payloadChars = 0;

  constructor(spec: CollectionSpec, options: CollectionOptions) {
    this.spec = spec;
    this.#options = options;
    this.#vectors = new ExactIndex({ metric: spec.metric, dim: spec.dimensions });
    this.#fields = new PayloadIndex(spec);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Slots that are in use are below it. */
  get slotsEnd(): number {
    return this.#slots.end;
  }

  get memory(): MemoryUse {
    const { text, filters } = this.#fields.bytes();
    return { vectors: this.#vectors.bytes, payloads: this.#payloadChars * 2, filters, text, ids: this.#slots.bytes };
  }

  has(id: string): boolean {
    return this.#slots.slotOf(id) !== undefined;
  }

  /** Makes a change that was checked. The same changes in the same order make the same collection. @returns points */
  apply(change: Change): number {
    return change.kind === 'upsert' ? this.#upsert(change.points) : this.#delete(change.ids);
  }

  /** @param query its vector was checked @throws filter_invalid, field_unknown, invalid_request, point_not_found */
  search(query: Query, options: QueryOptions): Answer {
    return new Search(this.#parts(), this.#options).run(query, options);
  }

  /**
   * A query for points like these and unlike those: twice the mean of the ones less the mean of the others.
   * @throws point_not_found, vector_zero
   */
  likeness(positive: readonly string[], negative: readonly string[]): Float32Array {
    const [toward, away] = [this.#mean(positive), this.#mean(negative)];
    const vector = negative.length === 0 ? toward : toward.map((value, i) => 2 * value - (away[i] as number));
    if (this.spec.metric === 'cosine' && vector.every((value) => value === 0)) {
      throw new TercetError('vector_zero', { of: 'the examples together' });
    }
    return vector;
  }

  /** Those that are there, in the order in which they were asked for. */
  get(ids: readonly string[]): Points {
    return this.#pointsIn(ids.flatMap((id) => this.#slots.slotOf(id) ?? []));
  }

  /** @throws filter_invalid, field_unknown */
  count(filter?: Filter): number {
    return filter === undefined ? this.size : this.#matching(filter).count();
  }

  /** Ids of the points that a filter lets through. @throws filter_invalid, field_unknown */
  idsOf(filter: Filter): string[] {
    const ids: string[] = [];
    this.#matching(filter).each((slot) => ids.push(this.#idOf(slot)));
    return ids;
  }

  /** Points by id, those behind `after`. @throws filter_invalid, field_unknown */
  scroll({ after, limit, filter }: { after?: string; limit: number; filter?: Filter }): {
    points: Points;
    isLast: boolean;
  } {
    const allowed = filter === undefined ? undefined : this.#matching(filter);
    const slots: number[] = [];
    for (const slot of this.#slots.inOrder(after)) {
      if (allowed?.has(slot) === false) continue;
      if (slots.length === limit) return { points: this.#pointsIn(slots), isLast: false };
      slots.push(slot);
    }
    return { points: this.#pointsIn(slots), isLast: true };
  }

  /** Points in the slots from `from` to below `to`, for a snapshot that is written bit by bit. */
  pointsBetween(from: number, to: number): Points {
    const slots: number[] = [];
    for (let slot = from; slot < to; slot++) if (this.#slots.idOf(slot) !== undefined) slots.push(slot);
    return this.#pointsIn(slots);
  }

  #parts() {
    const idOf = (slot: number) => this.#idOf(slot);
    const payloadOf = (slot: number) => this.#payloads[slot] as string;
    const { spec } = this;
    return { spec, slots: this.#slots, vectors: this.#vectors, fields: this.#fields, idOf, payloadOf };
  }

  #upsert({ ids, vectors, payloads }: Points): number {
    const { dimensions } = this.spec;
    const slots = new Uint32Array(ids.length);
    for (const [i, id] of ids.entries()) {
      const known = this.#slots.slotOf(id);
      if (known !== undefined) this.#forgetPayload(known);
      const slot = this.#slots.take(id);
      const payload = payloads[i] ?? '';
      this.#payloads[slot] = payload;
      this.#payloadChars += payload.length;
      this.#fields.add(slot, payload);
      slots[i] = slot;
    }
    assert(vectors.length === ids.length * dimensions, 'points that were not checked', { dimensions });
    this.#vectors.upsert(slots, vectors);
    this.#options.graph?.upsert(slots, vectors);
    return ids.length;
  }

  #delete(ids: readonly string[]): number {
    const slots = ids.flatMap((id) => this.#slots.release(id) ?? []);
    for (const slot of slots) this.#forgetPayload(slot);
    this.#vectors.remove(Uint32Array.from(slots));
    this.#options.graph?.remove(Uint32Array.from(slots));
    return slots.length;
  }

  #forgetPayload(slot: number): void {
    const payload = this.#payloads[slot] as string;
    this.#fields.delete(slot, payload);
    this.#payloadChars -= payload.length;
    this.#payloads[slot] = '';
  }

  #matching(filter: Filter): Bitmap {
    const { live } = this.#vectors;
    return matching(checkFilter(filter, this.spec.fields), { fields: this.#fields, live, size: this.size });
  }

  #pointsIn(slots: readonly number[]): Points {
    const { dimensions } = this.spec;
    const vectors = new Float32Array(slots.length * dimensions);
    for (const [i, slot] of slots.entries()) vectors.set(this.#vectors.rows.at(slot), i * dimensions);
    const payloads = slots.map((slot) => this.#payloads[slot] as string);
    return { ids: slots.map((slot) => this.#idOf(slot)), vectors, payloads };
  }

  #idOf(slot: number): string {
    const id = this.#slots.idOf(slot);
    assert(id !== undefined, 'a slot without a point was found', { slot });
    return id;
  }

  /** Mean of these points; of their directions where length means nothing. */
  #mean(ids: readonly string[]): Float32Array {
    const mean = new Float32Array(this.spec.dimensions);
    for (const id of ids) {
      const slot = this.#slots.slotOf(id);
      if (slot === undefined) throw new TercetError('point_not_found', { id: id.slice(0, 100) });
      const vector = this.#vectors.rows.at(slot);
      const length = this.spec.metric === 'cosine' ? Math.hypot(...vector) : 1;
      for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] as number) + (vector[i] as number) / length / ids.length;
    }
    return mean;
  }
}
