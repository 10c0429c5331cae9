export { type Fitted, OnlineFit } from './online-fit.js';
export {
  type DecodeCost,
  decodeCostOf,
  type EncodeCost,
  encodeMs,
  type PrefillCost,
  prefillMs,
  type StageCosts,
  type TransferCost,
  transferMs,
} from './stage-costs.js';
export { type FittedStage, StageFits } from './stage-fits.js';
