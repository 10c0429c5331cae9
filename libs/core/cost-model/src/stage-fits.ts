import { type Fitted, OnlineFit } from './online-fit.js';
import type { StageCosts } from './stage-costs.js';

export type FittedStage = 'encode' | 'prefill' | 'decode';

/** Samples of a stage before its fit is believed. */
const samplesMin = 30;

/**
 * The costs of the stages as they are measured: what a worker's load reports tell, fitted stage by stage. Features are
 * those of the cost formulas: `[1, patches]` of an image, `[1, Σn, Σn²]` of a prefill batch, `[1, Σcontext, batch]` of
 * a decode step.
 */
export class StageFits {
  readonly #fits: Readonly<Record<FittedStage, OnlineFit>> = {
    encode: new OnlineFit({ features: 2, memory: 500 }),
    prefill: new OnlineFit({ features: 3, memory: 500 }),
    decode: new OnlineFit({ features: 3, memory: 3000 }),
  };

  add(stage: FittedStage, features: readonly number[], ms: number): void {
    this.#fits[stage].add(features, ms);
  }

  /** What is known of a stage; `undefined` until enough was seen to be believed. */
  of(stage: FittedStage): Fitted | undefined {
    const fitted = this.#fits[stage].solve();
    return fitted !== undefined && fitted.weight > samplesMin ? fitted : undefined;
  }

  /** `base`, with the fitted costs in the place of those that are known. */
  costs(base: StageCosts): StageCosts {
    const encode = this.of('encode')?.coefficients;
    const prefill = this.of('prefill')?.coefficients;
    const decode = this.of('decode')?.coefficients;
    return {
      ...base,
      ...(encode === undefined ? {} : { encode: encodeOf(encode) }),
      ...(prefill === undefined ? {} : { prefill: prefillOf(prefill) }),
      ...(decode === undefined ? {} : { decode: decodeOf(decode) }),
    };
  }
}

function encodeOf([fixedMs = 0, perPatchMs = 0]: readonly number[]): StageCosts['encode'] {
  return { fixedMs, perPatchMs };
}

function prefillOf([fixedMs = 0, perTokenMs = 0, perTokenSquaredMs = 0]: readonly number[]): StageCosts['prefill'] {
  return { fixedMs, perTokenMs, perTokenSquaredMs };
}

function decodeOf([fixedMs = 0, perContextTokenMs = 0, perSequenceMs = 0]: readonly number[]): StageCosts['decode'] {
  const cost = { fixedMs, perContextTokenMs, perSequenceMs };
  return { small: cost, large: cost, smallBatchMax: 0 };
}
