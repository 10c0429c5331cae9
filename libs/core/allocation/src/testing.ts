import { Prng } from '@tercet/base';
import { type Trace, traceOf } from './trace.js';

export interface TraceShape {
  readonly requests: number;
  readonly rps: number;
  readonly seed?: number;
  /** A request has none to one fewer than so many images. */
  readonly imagesBelow?: number;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
}

/** Poisson arrivals, lengths around their means with a long tail. */
export function drawnTrace(shape: TraceShape): Trace {
  const { requests, rps, seed = 1, imagesBelow = 1, promptTokens = 300, outputTokens = 180 } = shape;
  const prng = new Prng(seed);
  const normal = () => Array.from({ length: 12 }, () => prng.nextFloat()).reduce((sum, x) => sum + x, -6);
  const lengthOf = (mean: number) => Math.max(1, Math.round(mean * Math.exp(0.7 * normal() - 0.245)));
  let arrivalMs = 0;
  return traceOf(
    Array.from({ length: requests }, () => {
      arrivalMs += (-Math.log(1 - prng.nextFloat()) * 1000) / rps;
      const images = prng.nextBelow(imagesBelow);
      const prompt = lengthOf(promptTokens);
      return {
        arrivalMs,
        images,
        patches: images * 576,
        promptTokens: prompt,
        cachedTokens: Math.floor((prompt - 1) * prng.nextFloat() * 0.5),
        outputTokens: lengthOf(outputTokens),
      };
    }),
  );
}
