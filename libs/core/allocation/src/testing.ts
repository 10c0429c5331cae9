import { Prng } from '@tercet/base';
import type { FleetShape } from './fleet.js';
import { type Trace, traceOf } from './trace.js';

/** OPT-13B on one A100, as DistServe's profiler found it; the encoder is of the size of CLIP's. */
export function publishedShape(more: Partial<FleetShape> = {}): FleetShape {
  const decode = { fixedMs: 19.9, perContextTokenMs: 6.3e-4, perSequenceMs: 0.0385 };
  return {
    kvTokensMax: 200_000,
    sequencesMax: 256,
    batchTokensMax: 4096,
    chunkTokens: 512,
    costs: {
      encode: { fixedMs: 5, perPatchMs: 0.05 },
      prefill: { fixedMs: 18.1, perTokenMs: 0.102, perTokenSquaredMs: 7.1e-6 },
      decode: { small: decode, large: decode, smallBatchMax: 95 },
      mediaTransfer: { handshakeMs: 1, bytesPerMs: 1e7 },
      kvTransfer: { handshakeMs: 1, bytesPerMs: 1e7 },
      mediaBytesPerPatch: 8192,
      kvBytesPerToken: 800_000,
    },
    ...more,
  };
}

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
