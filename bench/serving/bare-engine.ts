import {
  createSamplerFactory,
  type DecodeSession,
  type DecodeTask,
  EmbeddedEngine,
  greedySampling,
  type KvExport,
} from '@tercet/engine';
import { GgmlBackend } from '@tercet/ggml';
import { loadKernels } from '@tercet/kernels';
import type { ResolvedModel } from '@tercet/models';
import { type Tokenizer, tokenizerOf } from '@tercet/text';
import type { Generation, GenerationTask } from './generation.js';

export interface EngineShape {
  readonly cores: number;
  readonly contextTokensMax: number;
  readonly slots: number;
  /** Longest chunk of a prompt; that of a stage process by default. */
  readonly chunkTokens?: number;
  /** All cores for every step, as a peer does that is told its threads. */
  readonly fixedThreads?: boolean;
}

const greedy = { ...greedySampling, ignoreEos: true };
const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
const never = new AbortController().signal;

/** The engine that stage processes run, alone in one process: nothing between the caller and its steps. */
export class BareEngine implements AsyncDisposable {
  readonly #engine: EmbeddedEngine;
  readonly #tokenizer: Tokenizer;
  #requests = 0;

  private constructor(engine: EmbeddedEngine, tokenizer: Tokenizer) {
    this.#engine = engine;
    this.#tokenizer = tokenizer;
  }

  /** The same limits as a stage process has by default. */
  static open(model: ResolvedModel, shape: EngineShape): BareEngine {
    const { cores, contextTokensMax, slots, chunkTokens = 256, fixedThreads = false } = shape;
    const backend = GgmlBackend.open({
      modelName: model.name,
      modelPath: model.model,
      slotCount: slots,
      contextTokensMax,
      chunkTokensMax: chunkTokens,
      isThreadOurs: true,
    });
    const tokenizer = tokenizerOf(backend.gguf);
    const { endOfTextTokenIds } = tokenizer;
    const { vocabSize } = backend.descriptor;
    const tokenBytes = (tokenId: number) => tokenizer.bytesOf(tokenId);
    const engine = EmbeddedEngine.open({
      backend,
      clock,
      samplerOf: createSamplerFactory({ vocabSize, tokenBytes, endOfTextTokenIds }, loadKernels()),
      endOfTextTokenIds,
      limits: {
        kvBlocksMax: Math.ceil((slots * contextTokensMax) / 16),
        stepTokensMax: 512,
        chunkTokens,
        chunkWaitStepsMax: 4,
        agedSteps: 64,
        waitingMax: 256,
        stepTilesMax: 4,
        decodeAheadTokens: 128,
        reuseGrainTokens: 16,
      },
      threads: cores,
      fixedThreads,
    });
    return new BareEngine(engine, tokenizer);
  }

  /** Prompt to text in this process; the KV goes from its prefill slot to its decode slot by a copy in memory. */
  async generate({ prompt, outputTokens }: GenerationTask): Promise<Generation> {
    this.#requests++;
    const sentMs = performance.now();
    const tokenIds = Uint32Array.from(typeof prompt === 'string' ? this.#idsOf(prompt) : prompt);
    const task = { requestId: `bare-${this.#requests}`, tokenIds, generatedTokens: 0, sampling: greedy };
    const tokensMs: number[] = [];
    let session: Promise<DecodeSession> | undefined;
    for await (const output of this.#engine.prefill({ ...task, media: [] }, never)) {
      if (output.kind === 'started') {
        session = this.#handOver({ ...task, tokensMax: outputTokens - 1 }, output.kv);
        session.catch(() => undefined);
        continue;
      }
      tokensMs.push(performance.now());
      if (session === undefined) throw new Error('a first token without KV');
      for await (const decoded of (await session).run(output.token.tokenId, never)) {
        if (decoded.kind === 'token') tokensMs.push(performance.now());
      }
    }
    return { sentMs, tokensMs };
  }

  /** A prompt to its first token, and nothing with its KV. */
  async firstToken(prompt: readonly number[]): Promise<Generation> {
    this.#requests++;
    const sentMs = performance.now();
    const task = { requestId: `bare-${this.#requests}`, tokenIds: Uint32Array.from(prompt), generatedTokens: 0 };
    const tokensMs: number[] = [];
    for await (const output of this.#engine.prefill({ ...task, media: [], sampling: greedy }, never)) {
      if (output.kind === 'started') output.kv.release();
      else tokensMs.push(performance.now());
    }
    return { sentMs, tokensMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }

  #idsOf(text: string): number[] {
    const { bosTokenId } = this.#tokenizer;
    const ids = this.#tokenizer.encode([{ text, trusted: false }]);
    return bosTokenId === undefined ? ids : [bosTokenId, ...ids];
  }

  /** Reserves a slot while the prompt computes, and copies each layer as it is done. */
  async #handOver(task: DecodeTask, kv: KvExport): Promise<DecodeSession> {
    const session = await this.#engine.reserve(task, never);
    for (let layer = 0; layer < this.#engine.descriptor.layerCount; layer++) {
      await kv.layerReady(layer, never);
      for (const part of ['k', 'v'] as const) session.rows(layer, part).set(kv.rows(layer, part));
    }
    kv.release();
    return session;
  }
}
