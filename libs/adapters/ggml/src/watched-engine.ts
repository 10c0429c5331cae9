import { ManualClock } from '@tercet/base';
import { EmbeddedEngine, type EngineLimits, greedySampler, greedySampling, type PrefillTask } from '@tercet/engine';
import type { GgmlBackendOptions } from './ggml-backend.js';
import { hash, never, openFixture } from './testing.js';

const limits: EngineLimits = {
  stepTokensMax: 512,
  chunkTokens: 256,
  chunkWaitStepsMax: 4,
  agedSteps: 64,
  kvBlocksMax: 512,
  reuseGrainTokens: 16,
  waitingMax: 8,
  stepTilesMax: 1,
  decodeAheadTokens: 16,
};

export type WatchedPrompt = Partial<Pick<PrefillTask, 'media' | 'tenant'>> & { readonly tokenIds: readonly number[] };

export interface WatchedText {
  readonly cachedTokens: number;
  /** Of every token, in order. */
  readonly logits: readonly string[];
}

/** For tests: an engine as a stage process has it, whose logits can be looked at. */
export class WatchedEngine implements AsyncDisposable {
  readonly #engine: EmbeddedEngine;
  readonly #sampled: string[];

  constructor(engine: EmbeddedEngine, sampled: string[]) {
    this.#engine = engine;
    this.#sampled = sampled;
  }

  get mediaDim(): number | undefined {
    return this.#engine.descriptor.media?.dim;
  }

  async firstToken(prompt: WatchedPrompt): Promise<{ readonly cachedTokens: number; readonly logits: string }> {
    const { cachedTokens, logits } = await this.text({ ...prompt, decode: undefined });
    return { cachedTokens, logits: logits[0] as string };
  }

  /** Prefills here and decodes four tokens more there. */
  async text({ decode, ...prompt }: WatchedPrompt & { decode: WatchedEngine | undefined }): Promise<WatchedText> {
    const tokenIds = Uint32Array.from(prompt.tokenIds);
    const task = { requestId: 'r', generatedTokens: 0, sampling: greedySampling, media: [], ...prompt, tokenIds };
    const outputs = this.#engine.prefill(task, never);
    const started = (await outputs.next()).value;
    if (started?.kind !== 'started') throw new Error('prefill did not start');
    const { kv, cachedTokens } = started;
    try {
      const first = (await outputs.next()).value;
      if (first?.kind !== 'firstToken') throw new Error('no first token');
      const logits = [this.#sampled.pop() as string];
      if (decode === undefined) return { cachedTokens, logits };
      await using session = await decode.#engine.reserve({ ...task, tokensMax: 4 }, never);
      for (let layer = 0; layer < this.#engine.descriptor.layerCount; layer++) {
        for (const part of ['k', 'v'] as const) session.rows(layer, part).set(kv.rows(layer, part));
      }
      for await (const output of session.run(first.token.tokenId, never)) {
        if (output.kind === 'token') logits.push(decode.#sampled.pop() as string);
      }
      return { cachedTokens, logits };
    } finally {
      await outputs.return(undefined);
      kv.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }
}

export function openWatched(model: Partial<GgmlBackendOptions>, more: Partial<EngineLimits> = {}): WatchedEngine {
  const sampled: string[] = [];
  const engine = EmbeddedEngine.open({
    backend: openFixture('', { chunkTokensMax: limits.chunkTokens, ...model }),
    clock: new ManualClock(),
    samplerOf: () => ({
      ...greedySampler,
      sample(logits, position) {
        sampled.push(hash(logits));
        return greedySampler.sample(logits, position);
      },
    }),
    endOfTextTokenIds: new Set(),
    limits: { ...limits, ...more },
    threads: 1,
  });
  return new WatchedEngine(engine, sampled);
}
