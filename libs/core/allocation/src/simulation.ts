import type { Split } from './fleet.js';
import { attainmentAt, type Workload } from './goodput.js';
import { type Proposal, type ProposeInput, propose } from './propose.js';

/**
 * Port: what replays requests over and over, and takes from tens of milliseconds to seconds. Whoever answers calls
 * meanwhile has it done on another thread. Inputs are plain data, so that they can go there.
 */
export interface Simulation {
  propose(input: ProposeInput): Promise<Proposal>;
  /** Share of the requests that would meet the objectives under a split. */
  attainment(work: Workload, split: Split): Promise<number>;
}

/** On the caller's own thread. */
export const simulationHere: Simulation = {
  propose: async (input) => propose(input),
  attainment: async (work, split) => attainmentAt(work, split, 1),
};
