import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import type { StageCosts } from './stage-costs.js';
import { StageFits } from './stage-fits.js';

const cost = { fixedMs: 1, perContextTokenMs: 1, perSequenceMs: 1 };
const base: StageCosts = {
  encode: { fixedMs: 1, perPatchMs: 1 },
  prefill: { fixedMs: 1, perTokenMs: 1, perTokenSquaredMs: 1 },
  decode: { small: cost, large: cost, smallBatchMax: 95 },
  mediaTransfer: { handshakeMs: 1, bytesPerMs: 1 },
  kvTransfer: { handshakeMs: 1, bytesPerMs: 1 },
  mediaBytesPerPatch: 1,
  kvBytesPerToken: 1,
};

describe('costs fitted stage by stage', () => {
  test('are those given before anything was measured', () => {
    expect(new StageFits().costs(base)).toEqual(base);
  });

  test('replace those of the stages that were measured often enough, and no others', () => {
    const fits = new StageFits();
    const prng = new Prng(1);
    for (let i = 0; i < 200; i++) {
      const [context, batch] = [prng.nextBelow(5000), 1 + prng.nextBelow(32)];
      fits.add('decode', [1, context, batch], 20 + 0.001 * context + 0.05 * batch);
    }
    for (let i = 0; i < 10; i++) fits.add('encode', [1, 576], 40);
    const { encode, decode } = fits.costs(base);
    expect(encode).toEqual(base.encode);
    expect(decode.small).toEqual(decode.large);
    expect(decode.small.fixedMs).toBeCloseTo(20, 3);
    expect(decode.small.perContextTokenMs).toBeCloseTo(0.001, 6);
    expect(decode.small.perSequenceMs).toBeCloseTo(0.05, 4);
    expect([fits.of('encode'), fits.of('decode')?.weight ?? 0]).toEqual([undefined, expect.any(Number)]);
  });
});
