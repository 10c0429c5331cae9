import type { SamplingParams } from '../stage-engine.js';
import type { Sampler } from './sampler.js';

/** What a request asks for that wants the likeliest token every time. */
export const greedySampling: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
  seed: 0n,
  ignoreEos: false,
};

/** Takes the largest logit, whatever the request asks for. */
export const greedySampler: Sampler = {
  sample(logits) {
    let best = 0;
    for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
    return { tokenId: best };
  },
  accept: () => undefined,
};
