import type { Answer, Explanation } from '@tercet/collection';
import {
  bytesOf,
  type Filter,
  type FilterValue,
  type Fusion,
  type Hit,
  type QueryOptions,
  type Route,
} from '@tercet/collection';
import { TercetError, wire } from '@tercet/contracts';

type WireKind<Case extends NonNullable<wire.Filter['kind']>['$case']> = Extract<
  NonNullable<wire.Filter['kind']>,
  { $case: Case }
>['value'];

const depthMax = 64;

const routeNames: Readonly<Record<Route, wire.SearchRoute>> = {
  none: wire.SearchRoute.SEARCH_ROUTE_NONE,
  'exact scan': wire.SearchRoute.SEARCH_ROUTE_EXACT_SCAN,
  'bitmap scan': wire.SearchRoute.SEARCH_ROUTE_BITMAP_SCAN,
  graph: wire.SearchRoute.SEARCH_ROUTE_GRAPH,
  'filtered graph': wire.SearchRoute.SEARCH_ROUTE_FILTERED_GRAPH,
  'graph then scan': wire.SearchRoute.SEARCH_ROUTE_GRAPH_THEN_SCAN,
  text: wire.SearchRoute.SEARCH_ROUTE_TEXT,
};

/** @throws filter_invalid for a condition of no kind, or of one that this process does not know */
export function filterFromWire(filter: wire.Filter, depth = 0): Filter {
  const { kind } = filter;
  if (depth > depthMax) throw new TercetError('filter_invalid', { reason: 'nested too deep', depthMax });
  if (kind === undefined) throw new TercetError('filter_invalid', { reason: 'empty' });
  switch (kind.$case) {
    case 'and':
    case 'or':
      return { kind: kind.$case, filters: kind.value.filters.map((each) => filterFromWire(each, depth + 1)) };
    case 'not':
      return { kind: 'not', filter: filterFromWire(kind.value, depth + 1) };
    case 'in':
      return { kind: 'in', field: kind.value.field, values: kind.value.values.map(valueFromWire) };
    case 'range':
      return rangeFromWire(kind.value);
    case 'match':
      return { kind: 'match', ...kind.value };
    case 'exists':
      return { kind: 'exists', field: kind.value.field };
    default:
      return kind satisfies never;
  }
}

/** @throws invalid_request, filter_invalid, index_limit_reached */
export function optionsFromWire(
  options: wire.SearchOptions | undefined,
  limits: { callPointsMax: number },
): QueryOptions {
  if (options === undefined) throw new TercetError('invalid_request', { param: 'options', reason: 'missing' });
  const { k, filter, efSearch, exact, groupBy, diversity } = options;
  const { callPointsMax } = limits;
  if (k < 1) throw new TercetError('invalid_request', { param: 'k', reason: 'must be from 1 on' });
  const hits = k * Math.max(1, groupBy?.size ?? 1);
  if (hits > callPointsMax) throw new TercetError('index_limit_reached', { hits, callPointsMax });
  if (groupBy?.size === 0)
    throw new TercetError('invalid_request', { param: 'group_by.size', reason: 'must be from 1 on' });
  return {
    k,
    exact,
    diversity,
    ...(filter === undefined ? {} : { filter: filterFromWire(filter) }),
    ...(efSearch === 0 ? {} : { efSearch }),
    ...(groupBy === undefined ? {} : { groupBy }),
  };
}

/** @throws invalid_request for weights that are none */
export function fusionFromWire(fusion: wire.Fusion | undefined): { fusion?: Fusion } {
  const kind = fusion?.kind;
  if (kind === undefined) return {};
  if (kind.$case === 'ranks') return { fusion: { kind: 'ranks', constant: kind.value.constant || 60 } };
  const { vectorWeight, textWeight } = kind.value;
  const isRight = vectorWeight >= 0 && textWeight >= 0 && Number.isFinite(vectorWeight + textWeight);
  if (!isRight) throw new TercetError('invalid_request', { param: 'fusion', reason: 'weights must be from 0 on' });
  return { fusion: { kind: 'scores', vectorWeight, textWeight } };
}

export function answerToWire(
  { hits, explanation }: Answer,
  wanted: Pick<wire.SearchOptions, 'withPayloads' | 'withVectors'>,
): wire.HitList {
  return { hits: hits.map((hit) => hitToWire(hit, wanted)), explanation: explanationToWire(explanation) };
}

function hitToWire({ id, score, payload, vector, group }: Hit, wanted: Parameters<typeof answerToWire>[1]): wire.Hit {
  return {
    id,
    score,
    payload: wanted.withPayloads ? payload : '',
    // Copied: the row may be written again before the answer is sent.
    vector: Buffer.from(wanted.withVectors ? bytesOf(vector) : []),
    group: group ?? '',
  };
}

function explanationToWire({ route, matches, expectedMatches, candidates, textCandidates, ...rest }: Explanation) {
  return {
    ...rest,
    route: routeNames[route],
    matches: BigInt(matches),
    expectedMatches: BigInt(expectedMatches),
    candidates: BigInt(candidates),
    textCandidates: BigInt(textCandidates),
  };
}

function rangeFromWire({ field, above, atLeast, below, atMost }: WireKind<'range'>): Filter {
  const bounds = { above, atLeast, below, atMost };
  const given = Object.entries(bounds).flatMap(([bound, value]) =>
    value === undefined ? [] : [[bound, valueFromWire(value)]],
  );
  return { kind: 'range', field, ...Object.fromEntries(given) };
}

function valueFromWire({ kind }: wire.Value): FilterValue {
  if (kind === undefined) throw new TercetError('filter_invalid', { reason: 'a value of no kind' });
  return kind.value;
}
