import { goodputBound } from './bound.js';
import { disaggregated, groupsOf, nameOf, type Split, splitsOf } from './fleet.js';
import { attainmentAt, type Goodput, goodputOf, type Workload } from './goodput.js';
import { rateOf } from './trace.js';

export interface RatedSplit extends Goodput {
  readonly split: Split;
}

export interface BestSplit {
  readonly best: RatedSplit;
  /** Every split whose goodput was found out, the best first. */
  readonly rated: readonly RatedSplit[];
  /** How much more any three-way split could serve at most, as a share of the best; 0 after a search through all. */
  readonly gap: number;
  readonly evaluations: number;
}

/** Up to so many groups every split is looked at. */
export const exhaustiveGroupsMax = 8;

export interface SearchOptions {
  /** Co-located and local-encode variants too. */
  readonly variants?: boolean;
  readonly tolerance?: number;
}

/** The split of a fleet with the highest goodput: the best of all, or of a large fleet the best that a search finds. */
export function bestSplit(work: Workload, groups: number, options: SearchOptions = {}): BestSplit {
  return groups <= exhaustiveGroupsMax ? bestOfAll(work, groups, options) : localSearch(work, groups, options);
}

function bestOfAll(work: Workload, groups: number, { variants = true, tolerance = 0.01 }: SearchOptions): BestSplit {
  const rate = rateOf(work.trace);
  const rated: RatedSplit[] = [];
  let from = 1;
  for (const split of splitsOf(groups, { variants })) {
    const found = goodputOf(work, split, { tolerance, from });
    rated.push({ split, ...found });
    if (found.rps > 0) from = found.rps / rate;
  }
  rated.sort(byGoodput);
  return { best: rated[0] as RatedSplit, rated, gap: 0, evaluations: rated.length };
}

/**
 * From the split that the bound needs, groups are moved between two stages as long as that helps: many at first, then
 * fewer. A neighbour is only rated when it would meet the objectives at a rate above the best.
 */
function localSearch(work: Workload, groups: number, options: SearchOptions): BestSplit {
  const { tolerance = 0.005, variants = true } = options;
  const rate = rateOf(work.trace);
  const bound = goodputBound(work, groups);
  const rated = new Map<string, RatedSplit>();
  let evaluations = 0;
  const rateSplit = (split: Split, rps: number): RatedSplit => {
    const found = { split, ...goodputOf(work, split, { tolerance, from: rps / rate }) };
    rated.set(nameOf(split), found);
    return found;
  };
  let best = rateSplit(filled(bound.split, groups), bound.rps);
  const seen = new Set<string>();
  for (let step = Math.max(1, groups >> 5); step >= 1; ) {
    const better = neighbours(best.split, step).find((split) => {
      const key = nameOf(split);
      if (seen.has(key) || rated.has(key)) return false;
      evaluations++;
      const aim = (best.rps * (1 + tolerance)) / rate;
      const isBetter = attainmentAt(work, split, Math.max(aim, 1 / 1024)) >= work.slo.attainment;
      if (!isBetter) seen.add(key);
      return isBetter;
    });
    if (better === undefined) {
      step >>= 1;
      seen.clear();
      continue;
    }
    best = rateSplit(better, best.rps * (1 + tolerance));
  }
  if (variants) for (const split of someVariants(groups, best.split)) rateSplit(split, best.rps);
  const all = [...rated.values()].sort(byGoodput);
  const found = all[0] as RatedSplit;
  const gap = found.rps > 0 ? Math.max(0, bound.rps / found.rps - 1) : Number.POSITIVE_INFINITY;
  return { best: found, rated: all, gap, evaluations: evaluations + all.length };
}

/** Groups that the bound leaves over go to the stages in proportion. */
function filled({ encode, prefill, decode }: Split, groups: number): Split {
  const spare = groups - encode - prefill - decode;
  const used = encode + prefill + decode;
  const moreEncode = Math.floor((spare * encode) / used);
  const morePrefill = Math.floor((spare * prefill) / used);
  return disaggregated(encode + moreEncode, prefill + morePrefill, decode + spare - moreEncode - morePrefill);
}

const stages = ['encode', 'prefill', 'decode'] as const;

function neighbours(split: Split, step: number): Split[] {
  const found: Split[] = [];
  for (const from of stages) {
    for (const to of stages) {
      if (from === to || split[from] <= step) continue;
      found.push({ ...split, [from]: split[from] - step, [to]: split[to] + step });
    }
  }
  return found;
}

/** Everything together, encoders apart from the rest, and encoding where prefill is, in the sizes of the best split. */
function someVariants(groups: number, { encode, decode }: Split): Split[] {
  return [
    { encode: 0, prefill: 0, decode: 0, serve: groups },
    { encode, prefill: 0, decode: 0, serve: groups - encode },
    disaggregated(0, groups - decode, decode),
  ].filter((split) => groupsOf(split) === groups);
}

function byGoodput(a: RatedSplit, b: RatedSplit): number {
  return b.rps - a.rps || b.attainment - a.attainment;
}
