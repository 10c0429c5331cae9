export { type BestSplit, bestSplit, exhaustiveGroupsMax, type RatedSplit, type SearchOptions } from './best-split.js';
export { type GoodputBound, goodputBound } from './bound.js';
export type { GroupLimits } from './decode-group.js';
export {
  colocated,
  disaggregated,
  type FleetShape,
  groupsOf,
  nameOf,
  type Slo,
  type Split,
  splitsOf,
} from './fleet.js';
export { Forecast, type ForecastOptions } from './forecast.js';
export { attainmentAt, type Goodput, goodputOf, type Workload } from './goodput.js';
export { Planner, type PlannerOptions, type Situation } from './planner.js';
export {
  afterMoves,
  type Move,
  movesBetween,
  type PerStage,
  type Proposal,
  type ProposeInput,
  type ProposeLimits,
  propose,
  type StageName,
  stageNames,
} from './propose.js';
export { publishedShape } from './published-shape.js';
export { attainmentOf, percentileOf, type Simulated, simulate } from './simulate.js';
export { type Simulation, simulationHere } from './simulation.js';
export { simulateStepByStep } from './step-by-step.js';
export { grown, rateOf, requestOf, scaled, type Trace, type TraceRequest, traceOf } from './trace.js';
