import { type PerStage, type Proposal, type Split, stageNames } from '@tercet/allocation';
import type { PoolSpec } from './pool.js';

/** Why a pool cannot be what its specification asks for. */
export type Problem =
  /** The stages must have more pods than there are. */
  | { readonly kind: 'least above pods'; readonly least: PerStage<number>; readonly pods: number }
  /** The stages may not have as many pods as there are. */
  | { readonly kind: 'most below pods'; readonly most: PerStage<number>; readonly pods: number }
  /** No split meets the objectives for as many requests as they must be met for. */
  | {
      readonly kind: 'objectives out of reach';
      readonly attainment: number;
      /** Share of the requests that meet them under the best split, as the simulator says. */
      readonly best: number;
      readonly split: Split;
    };

/** Where the limits leave no split for so many pods. */
export function limitProblems({ least, most }: PoolSpec, pods: number): Problem[] {
  if (pods < sumOf(least)) return [{ kind: 'least above pods', least, pods }];
  if (pods > sumOf(most)) return [{ kind: 'most below pods', most, pods }];
  return [];
}

/** Where even the split that the simulator likes best falls short. */
export function objectiveProblems({ slo }: PoolSpec, { expected, target }: Proposal): Problem[] {
  if (expected.target >= slo.attainment) return [];
  return [{ kind: 'objectives out of reach', attainment: slo.attainment, best: expected.target, split: target }];
}

function sumOf(counts: PerStage<number>): number {
  return stageNames.reduce((sum, stage) => sum + counts[stage], 0);
}
