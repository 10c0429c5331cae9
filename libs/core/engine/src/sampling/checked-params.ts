import { TercetError } from '@tercet/contracts';
import type { SamplingParams } from '../stage-engine.js';

/** The same parameters, once each lies in its range. @throws invalid_request */
export function checkedSampling(params: SamplingParams, vocabSize: number): SamplingParams {
  const { temperature, topK, topP, minP, repetitionPenalty, topLogprobs = 0 } = params;
  check('temperature', temperature, temperature >= 0);
  check('topK', topK, Number.isInteger(topK) && topK >= 0);
  check('topP', topP, topP >= 0 && topP <= 1);
  check('minP', minP, minP >= 0 && minP <= 1);
  check('repetitionPenalty', repetitionPenalty, repetitionPenalty > 0);
  check('frequencyPenalty', params.frequencyPenalty, true);
  check('presencePenalty', params.presencePenalty, true);
  check('topLogprobs', topLogprobs, Number.isInteger(topLogprobs) && topLogprobs >= 0);
  for (const [tokenId, bias] of params.logitBias) {
    check('logitBias', tokenId, Number.isInteger(tokenId) && tokenId >= 0 && tokenId < vocabSize);
    check('logitBias', bias, true);
  }
  return params;
}

function check(name: string, value: number, isInRange: boolean): void {
  if (!Number.isFinite(value) || !isInRange) throw new TercetError('invalid_request', { parameter: name, value });
}
