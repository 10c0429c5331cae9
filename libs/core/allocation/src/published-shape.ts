import type { FleetShape } from './fleet.js';

/**
 * A group of published size, for benches, examples and tests: OPT-13B on one A100 as DistServe's profiler found it,
 * with an encoder of the size of CLIP's beside it.
 * @see Zhong et al. 2024, arXiv:2401.09670, and its repository
 */
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
