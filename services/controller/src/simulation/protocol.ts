import type { Proposal, ProposeInput, Split, Workload } from '@tercet/allocation';

/** What the thread of the simulation is asked. */
export type Question =
  | { readonly kind: 'propose'; readonly input: ProposeInput }
  | { readonly kind: 'attainment'; readonly work: Workload; readonly split: Split };

export interface Asked {
  readonly id: number;
  readonly question: Question;
}

/** A proposal, or a share of requests: as it was asked for. */
export interface Answer {
  readonly id: number;
  readonly result: Proposal | number;
}
