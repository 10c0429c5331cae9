import { TercetError } from '@tercet/contracts';
import type { Bitmap } from '../bitmap.js';
import type { CollectionOptions } from '../collection-options.js';
import type { ExactIndex } from '../exact-index.js';
import type { PayloadIndex } from '../fields/payload-index.js';
import { checkFilter } from '../filter/check-filter.js';
import { expectedMatches, matching } from '../filter/matching.js';
import { fieldValues } from '../payload.js';
import type { SlotTable } from '../slot-table.js';
import type { CollectionSpec } from '../spec.js';
import { dot, prepareQuery } from '../vector-rows.js';
import { diversify } from './diversify.js';
import { groupRanked } from './groups.js';
import type { Answer, Explanation, Query, QueryOptions } from './query.js';
import { type Fusion, first, fuse, type Ranked } from './ranked.js';
import { planRoute, type Route } from './route.js';

/** What a collection is searched by. */
export interface SearchParts {
  readonly spec: CollectionSpec;
  readonly slots: SlotTable;
  readonly vectors: ExactIndex;
  readonly fields: PayloadIndex;
  idOf(slot: number): string;
  payloadOf(slot: number): string;
}

/** Rankings that are fused, and candidates that an answer is chosen among, are at least so long. */
const depthMin = 100;
/** Every pair of candidates is compared. */
const diverseCandidatesMax = 256;
const ranksDefault: Fusion = { kind: 'ranks', constant: 60 };

/** What may be answered with; `bits` are absent where that is everything. */
interface Allowed {
  readonly bits: Bitmap | undefined;
  readonly matches: number;
  readonly expected: number;
  readonly filterMs: number;
}

interface Found extends Ranked {
  readonly route: Route;
  readonly exact: boolean;
  readonly candidates: number;
  readonly textCandidates: number;
}

/** One search over a collection that stands still meanwhile. */
export class Search {
  readonly #parts: SearchParts;
  readonly #options: CollectionOptions;

  constructor(parts: SearchParts, options: CollectionOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  run(query: Query, options: QueryOptions): Answer {
    checkOptions(query, options, this.#parts.spec);
    const { clock } = this.#options;
    const allowed = this.#allowed(options);
    const startMs = clock.nowMs();
    const { found, ranked, groups } = this.#choose(query, options, allowed);
    const { slots, scores } = ranked;
    const { idOf, payloadOf, vectors } = this.#parts;
    const hits = slots.map((slot, i) => {
      const group = groups?.[i];
      const about = { id: idOf(slot), score: scores[i] as number, payload: payloadOf(slot) };
      return { ...about, vector: vectors.rows.at(slot), ...(group === undefined ? {} : { group }) };
    });
    return { hits, explanation: explain(found, allowed, clock.nowMs() - startMs) };
  }

  #allowed({ filter, without = [] }: QueryOptions): Allowed {
    const { spec, slots, vectors, fields } = this.#parts;
    const startMs = this.#options.clock.nowMs();
    const { live, size } = vectors;
    let [bits, expected]: [Bitmap | undefined, number] = [undefined, size];
    if (filter !== undefined) {
      const checked = checkFilter(filter, spec.fields);
      const searched = { fields, live, size };
      expected = Math.round(expectedMatches(checked, searched));
      bits = matching(checked, searched);
    }
    if (without.length > 0) {
      bits ??= live.copy();
      for (const slot of without.flatMap((id) => slots.slotOf(id) ?? [])) bits.delete(slot);
    }
    return { bits, matches: bits?.count() ?? size, expected, filterMs: this.#options.clock.nowMs() - startMs };
  }

  /** Candidates, and of these the answer. */
  #choose(query: Query, options: QueryOptions, allowed: Allowed): Chosen {
    const { k, groupBy, diversity = 0 } = options;
    if (groupBy !== undefined) return this.#chooseGroups(query, { ...options, groupBy }, allowed);
    const depth = diversity === 0 ? k : Math.min(diverseCandidatesMax, Math.max(depthMin, 4 * k));
    const found = this.#find(query, { ...options, k: depth }, allowed);
    if (diversity === 0) return { found, ranked: first(found, k) };
    const candidates = first(found, diverseCandidatesMax);
    const similarity = this.#similarities(candidates);
    return { found, ranked: diversify(candidates, { k, diversity }, similarity) };
  }

  /** Looks deeper until there are k groups, or nothing is left. */
  #chooseGroups(query: Query, options: GroupedOptions, allowed: Allowed): Chosen {
    const { k, groupBy } = options;
    for (let depth = Math.max(depthMin, k * groupBy.size * 2); ; depth *= 4) {
      const found = this.#find(query, { ...options, k: depth }, allowed);
      const grouped = groupRanked(found, { groups: k, size: groupBy.size }, (slot) =>
        this.#groupOf(slot, groupBy.field),
      );
      const isAll = found.slots.length < Math.min(depth, allowed.matches) || depth >= allowed.matches;
      if (isAll || grouped.count === k) return { found, ranked: grouped, groups: grouped.groups };
    }
  }

  #find(query: Query, options: QueryOptions, allowed: Allowed): Found {
    const { vector, text } = query;
    const depth = vector !== undefined && text !== undefined ? Math.max(depthMin, options.k) : options.k;
    const near = vector === undefined ? undefined : this.#nearest(vector, { ...options, k: depth }, allowed);
    if (text === undefined) return near as Found;
    const ranked = this.#parts.fields.text(text.field).rank(text.words, { k: depth, allow: allowed.bits });
    const textCandidates = ranked.candidates;
    if (near === undefined) return { ...ranked, route: 'text', exact: true, candidates: 0, textCandidates };
    return { ...near, ...fuse(near, ranked, options.fusion ?? ranksDefault), textCandidates };
  }

  #nearest(vector: Float32Array, options: QueryOptions, { bits, matches }: Allowed): Found {
    const { k, efSearch, exact = false } = options;
    const { vectors } = this.#parts;
    const { graph, routes } = this.#options;
    const facts = { points: vectors.size, matches: bits && matches, hasGraph: graph !== undefined, exact };
    const route = planRoute(facts, routes);
    const request = { queries: vector, k: Math.min(k, matches), ...(bits === undefined ? {} : { allow: bits.words }) };
    const walks = route === 'graph' || route === 'filtered graph';
    if (route === 'none') return { slots: [], scores: [], route, exact: true, candidates: 0, textCandidates: 0 };
    if (!walks || graph === undefined) return { ...this.#scan(request), route, exact: true };
    const { slots, counts, distanceComputations } = graph.search(
      efSearch === undefined ? request : { ...request, efSearch },
    );
    const count = counts[0] as number;
    if (count < request.k) {
      const scan = this.#scan(request);
      return { ...scan, candidates: scan.candidates + distanceComputations, route: 'graph then scan', exact: true };
    }
    const ranked = this.#byDistance(vector, [...slots.subarray(0, count)]);
    return { ...ranked, route, exact: false, candidates: distanceComputations, textCandidates: 0 };
  }

  #scan(request: { queries: Float32Array; k: number; allow?: Uint32Array }): Omit<Found, 'route' | 'exact'> {
    const { slots, distances, counts, distanceComputations } = this.#parts.vectors.search(request);
    const count = counts[0] as number;
    const scores = [...distances.subarray(0, count)].map((distance) => this.#scoreOf(distance));
    return { slots: [...slots.subarray(0, count)], scores, candidates: distanceComputations, textCandidates: 0 };
  }

  /** By the vectors themselves: an index may know them only roughly. */
  #byDistance(vector: Float32Array, slots: readonly number[]): Ranked {
    const { spec, vectors } = this.#parts;
    const query = prepareQuery(spec.metric, vector);
    const measured = slots.map((slot) => ({ slot, distance: vectors.distance(query, slot) }));
    measured.sort((a, b) => a.distance - b.distance || a.slot - b.slot);
    return {
      slots: measured.map(({ slot }) => slot),
      scores: measured.map(({ distance }) => this.#scoreOf(distance)),
    };
  }

  #scoreOf(distance: number): number {
    switch (this.#parts.spec.metric) {
      case 'cosine':
        return 1 - distance;
      case 'inner-product':
        return -distance;
      case 'l2':
        return -Math.sqrt(distance);
      default:
        return this.#parts.spec.metric satisfies never;
    }
  }

  #groupOf(slot: number, field: string): string | undefined {
    const values = fieldValues(this.#parts.spec, this.#parts.payloadOf(slot));
    const value = values.find(([name]) => name === field)?.[1];
    return value?.kind === 'keyword' ? value.values[0] : undefined;
  }

  /** Cosine of two candidates by their places; what points away from each other has nothing in common. */
  #similarities({ slots }: Ranked): (a: number, b: number) => number {
    const { rows } = this.#parts.vectors;
    const vectors = slots.map((slot) => rows.at(slot));
    const lengths = vectors.map((vector) => Math.sqrt(dot(vector, vector, 0)) || 1);
    const known = new Float64Array(slots.length ** 2);
    for (const [a, vector] of vectors.entries()) {
      for (const [b, other] of vectors.entries()) {
        const cosine = dot(vector, other, 0) / (lengths[a] as number) / (lengths[b] as number);
        known[a * slots.length + b] = Math.max(0, cosine);
      }
    }
    return (a, b) => known[a * slots.length + b] as number;
  }
}

type GroupedOptions = QueryOptions & { readonly groupBy: NonNullable<QueryOptions['groupBy']> };

interface Chosen {
  readonly found: Found;
  readonly ranked: Ranked;
  readonly groups?: readonly string[];
}

/** @throws invalid_request, field_unknown */
function checkOptions({ vector, text }: Query, options: QueryOptions, { fields }: CollectionSpec): void {
  const { groupBy, diversity = 0 } = options;
  if (vector === undefined && text === undefined) throw wrong('query', 'neither a vector nor words');
  if (!(diversity >= 0 && diversity < 1)) throw wrong('diversity', 'must be from 0 to below 1');
  if (diversity > 0 && groupBy !== undefined) throw wrong('diversity', 'groups are diverse already');
  const kindOf = (name: string) => {
    const field = fields.find((each) => each.name === name);
    if (field === undefined) throw new TercetError('field_unknown', { field: name.slice(0, 100) });
    return field.kind;
  };
  if (text !== undefined && kindOf(text.field) !== 'text')
    throw wrong('text', `${text.field} is not searched by words`);
  if (groupBy !== undefined && kindOf(groupBy.field) !== 'keyword') throw wrong('group_by', 'needs a keyword');
}

function wrong(param: string, reason: string): TercetError {
  return new TercetError('invalid_request', { param, reason });
}

function explain(found: Found, { matches, expected, filterMs }: Allowed, searchMs: number): Explanation {
  const { route, exact, candidates, textCandidates } = found;
  return { route, exact, matches, expectedMatches: expected, candidates, textCandidates, filterMs, searchMs };
}
