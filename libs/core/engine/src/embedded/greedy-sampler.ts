import type { Sampler } from './sampler.js';

/** Takes the largest logit, whatever the request asks for. */
export const greedySampler: Sampler = {
  sample(logits) {
    let best = 0;
    for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
    return { tokenId: best };
  },
  accept: () => undefined,
};
