import { z } from 'zod';

export const ms = (fallback: number, min = 0) => z.number().min(min).default(fallback);

export const perStageMs = (fallback: number) =>
  z.strictObject({ encode: ms(fallback), prefill: ms(fallback), decode: ms(fallback) }).prefault({});

/** What one pod can hold and take into a step. */
export const groupLimits = z
  .strictObject({
    kvTokensMax: z.int().min(16).default(65_536),
    sequencesMax: z.int().min(1).default(16),
    batchTokensMax: z.int().min(64).default(512),
    chunkTokens: z.int().min(64).default(256),
  })
  .prefault({});
