/** How the nearest vectors of a query are found. */
export const routes = [
  'none',
  'exact scan',
  'bitmap scan',
  'graph',
  'filtered graph',
  'graph then scan',
  'text',
] as const;
export type Route = (typeof routes)[number];

export interface RouteLimits {
  /** Up to so many vectors are all compared. */
  readonly scanVectorsMax: number;
  /** Up to this share of all points too: a walk among few allowed ones loses its way. */
  readonly scanShareMax: number;
}

export interface RouteFacts {
  /** Of the collection. */
  readonly points: number;
  /** Points that the filter lets through; absent without a filter. */
  readonly matches: number | undefined;
  readonly hasGraph: boolean;
  /** The caller wants nothing missed. */
  readonly exact: boolean;
}

/** The way that is taken first. A walk that finds too little is followed by a scan. */
export function planRoute({ points, matches, hasGraph, exact }: RouteFacts, limits: RouteLimits): Route {
  const among = matches ?? points;
  if (among === 0) return 'none';
  const { scanVectorsMax, scanShareMax } = limits;
  const isFew = among <= scanVectorsMax || (matches !== undefined && matches <= points * scanShareMax);
  if (exact || !hasGraph || isFew) return matches === undefined ? 'exact scan' : 'bitmap scan';
  return matches === undefined ? 'graph' : 'filtered graph';
}
