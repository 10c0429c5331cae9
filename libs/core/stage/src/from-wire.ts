import { TercetError, type wire } from '@tercet/contracts';
import type { EngineDescriptor, SampledToken, SamplingParams } from '@tercet/engine';

/** Whose call this is. @throws stage_protocol when it has no name, or is for another model than the engine has */
export function callOf(
  request: { readonly context?: wire.CallContext | undefined; readonly model: string },
  { modelName }: EngineDescriptor,
): { readonly requestId: string; readonly tenant: string } {
  const { requestId = '', tenant = '' } = request.context ?? {};
  if (requestId === '') throw new TercetError('stage_protocol', { missing: 'context.request_id' });
  if (request.model !== modelName) {
    throw new TercetError('stage_protocol', { model: request.model, expected: modelName });
  }
  return { requestId, tenant };
}

/** @throws invalid_request when a value makes no distribution */
export function samplingFromWire(sampling: wire.Sampling | undefined): SamplingParams {
  if (sampling === undefined) throw new TercetError('invalid_request', { missing: 'sampling' });
  const { topLogprobs, grammar, logitBias, ...numbers } = sampling;
  const { temperature, topP, minP, repetitionPenalty } = numbers;
  const wrong = { temperature: !(temperature >= 0), topP: !(topP > 0 && topP <= 1), minP: !(minP >= 0 && minP <= 1) };
  const field = Object.entries({ ...wrong, repetitionPenalty: !(repetitionPenalty > 0) }).find(([, bad]) => bad)?.[0];
  if (field !== undefined) throw new TercetError('invalid_request', { field: `sampling.${field}` });
  const bias = new Map(Object.entries(logitBias ?? {}).map(([id, value]) => [Number(id), value]));
  return {
    ...numbers,
    logitBias: bias,
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
    ...(grammar === '' ? {} : { grammar }),
  };
}

export function tokenToWire(token: SampledToken): wire.SampledToken {
  return {
    tokenId: token.tokenId,
    logprob: token.logprob,
    topLogprobs: (token.topLogprobs ?? []).map((t) => ({ ...t })),
  };
}
