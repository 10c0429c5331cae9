import { type Trace, traceOf } from '@tercet/allocation';
import { Prng } from '@tercet/base';

export interface TraceShape {
  readonly requests: number;
  readonly rps: number;
  readonly seed: number;
  /** A request has none to so many images, each of `patchesPerImage`. */
  readonly imagesMax: number;
  readonly patchesPerImage: number;
  /** Means of lengths with a long tail. */
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Poisson arrivals, with log-normal lengths around the means. */
export function drawnTrace(shape: TraceShape): Trace {
  const prng = new Prng(shape.seed);
  const normal = () => {
    const radius = Math.sqrt(-2 * Math.log(1 - prng.nextFloat()));
    return radius * Math.cos(2 * Math.PI * prng.nextFloat());
  };
  const sigma = 0.7;
  const lengthOf = (mean: number) => Math.max(1, Math.round(mean * Math.exp(sigma * normal() - sigma ** 2 / 2)));
  let arrivalMs = 0;
  return traceOf(
    Array.from({ length: shape.requests }, () => {
      arrivalMs += (-Math.log(1 - prng.nextFloat()) * 1000) / shape.rps;
      const images = prng.nextBelow(shape.imagesMax + 1);
      const patches = images * shape.patchesPerImage;
      const [promptTokens, outputTokens] = [lengthOf(shape.promptTokens), lengthOf(shape.outputTokens)];
      return { arrivalMs, images, patches, promptTokens, cachedTokens: 0, outputTokens };
    }),
  );
}
