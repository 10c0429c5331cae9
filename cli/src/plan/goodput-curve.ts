import { attainmentAt, nameOf, type RatedSplit, rateOf, type Workload } from '@tercet/allocation';

/** Share of requests that meet the objectives, by rate. */
export interface GoodputCurve {
  readonly name: string;
  /** Where the share falls below what is asked for. */
  readonly goodputRps: number;
  readonly points: readonly { readonly rps: number; readonly attainment: number }[];
}

/** Curves of some splits over the same rates, from little load to more than the best can serve. */
export function goodputCurves(work: Workload, splits: readonly RatedSplit[], points = 48): GoodputCurve[] {
  const most = 1.5 * Math.max(rateOf(work.trace), ...splits.map(({ rps }) => rps));
  return splits.map(({ split, rps: goodputRps }) => ({
    name: nameOf(split),
    goodputRps,
    points: Array.from({ length: points }, (_, i) => {
      const rps = (most * (i + 1)) / points;
      return { rps, attainment: attainmentAt(work, split, rps / rateOf(work.trace)) };
    }),
  }));
}
