import { createSamplerFactory, EmbeddedEngine, greedySampling, type MediaRows } from '@tercet/engine';
import { GgmlBackend } from '@tercet/ggml';
import { openTileCutter, probeImage, type TileCutter } from '@tercet/image';
import { planImage, promptOf } from '@tercet/media';
import { systemClock } from '@tercet/telemetry';
import { type ChatTemplate, chatTemplateOf, type TextSegment, type Tokenizer, tokenizerOf } from '@tercet/text';
import { answerTokensMax } from './http-asker.js';
import type { Ask, EvalImage, EvalItem } from './items.js';

const limits = { pixelsMax: 1 << 22, edgeMax: 4096, bytesMax: 1 << 20, tilesMax: 32 };
const engineLimits = {
  stepTokensMax: 512,
  chunkTokens: 256,
  chunkWaitStepsMax: 4,
  agedSteps: 64,
  kvBlocksMax: 1024,
  reuseGrainTokens: 0,
  waitingMax: 64,
  stepTilesMax: 4,
  decodeAheadTokens: 64,
};
const never = new AbortController().signal;

export interface EngineAskerOptions {
  readonly modelPath: string;
  readonly mmprojPath: string;
  readonly threads: number;
}

/** The engine alone, in this process: no gateway and no stages, so that a wrong answer is the model's. */
export class EngineAsker implements AsyncDisposable {
  readonly #engine: EmbeddedEngine;
  readonly #cutter: TileCutter;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  #requests = 0;

  constructor({ modelPath, mmprojPath, threads }: EngineAskerOptions) {
    const backend = GgmlBackend.open({
      modelName: 'tercet-tiny',
      modelPath,
      mmprojPath,
      slotCount: 16,
      contextTokensMax: 512,
      chunkTokensMax: engineLimits.chunkTokens,
    });
    this.#tokenizer = tokenizerOf(backend.gguf);
    this.#template = chatTemplateOf(backend.gguf);
    const { endOfTextTokenIds } = this.#tokenizer;
    const { vocabSize } = backend.descriptor;
    const tokenBytes = (tokenId: number) => this.#tokenizer.bytesOf(tokenId);
    this.#engine = EmbeddedEngine.open({
      backend,
      clock: systemClock,
      samplerOf: createSamplerFactory({ vocabSize, tokenBytes, endOfTextTokenIds }),
      endOfTextTokenIds,
      limits: engineLimits,
      threads,
    });
    this.#cutter = openTileCutter({ pixelsMax: limits.pixelsMax });
  }

  readonly ask: Ask = async (item) => {
    const requestId = String(this.#requests++);
    const { tokenIds, media } = await this.#prompt(item, requestId);
    const { firstTokenId, session } = await this.#prefill(requestId, tokenIds, media);
    if (session === undefined) return '';
    await using decode = session;
    const answer = [firstTokenId];
    for await (const output of decode.run(firstTokenId, never)) {
      if (output.kind === 'token') answer.push(output.token.tokenId);
    }
    const bytes = answer.map((tokenId) => this.#tokenizer.bytesOf(tokenId));
    return Buffer.concat(bytes).toString('utf8').trim();
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.close(AbortSignal.abort());
    await this.#cutter[Symbol.asyncDispose]();
  }

  /** Token ids as the gateway makes them, and the rows of every tile. */
  async #prompt({ question, images }: EvalItem, requestId: string) {
    const parts = [...images.map(() => ({ kind: 'media' as const })), { kind: 'text' as const, text: question }];
    const segments = this.#template.render([{ role: 'user', parts }], { addGenerationPrompt: true });
    const tokenIds: number[] = [];
    const media: MediaRows[] = [];
    let text: TextSegment[] = [];
    const flush = () => {
      tokenIds.push(...this.#tokenizer.encode(text));
      text = [];
    };
    for (const segment of segments) {
      if (segment.kind === 'text') {
        text.push(segment);
        continue;
      }
      for (const piece of await this.#image(images[segment.index] as EvalImage, requestId)) {
        if ('text' in piece) {
          text.push({ text: piece.text, trusted: true });
          continue;
        }
        flush();
        media.push({ ...piece, start: tokenIds.length });
        const placeholder = this.#tokenizer.tokenIdOf('<image>') as number;
        tokenIds.push(...new Array<number>(piece.tokens).fill(placeholder));
      }
    }
    flush();
    return { tokenIds: Uint32Array.from(tokenIds), media };
  }

  async #image({ name, bytes }: EvalImage, requestId: string) {
    const { media } = this.#engine.descriptor;
    if (media === undefined) throw new Error('the model has no vision tower');
    const { tileSize, tokensPerTile: tokens, dim } = media;
    const shape = { tileSize, longestEdge: tileSize, tokensPerTile: tokens, split: false };
    const plan = planImage(probeImage(bytes, limits), shape, limits);
    const bounded = { width: plan.boundedWidth, height: plan.boundedHeight };
    const resized = { width: plan.resizedWidth, height: plan.resizedHeight };
    const tiles = plan.tiles.map((tile) => ({ ...tile, contentKey: `${name}/${tile.index}` }));
    const pixels = await this.#cutter.cutTiles({ image: bytes, tiles, bounded, resized, media }, never);
    const rows = await this.#engine.encode({ requestId, pixels, tileCount: tiles.length }, never);
    return promptOf(plan).map((piece) => {
      if (piece.kind === 'text') return { text: piece.text };
      const { index } = piece.tile;
      const from = index * tokens * dim;
      return { tokens, contentKey: `${name}/${index}`, rows: rows.subarray(from, from + tokens * dim) };
    });
  }

  /** The first token, and a decode session with the prompt's KV unless the answer ends there. */
  async #prefill(requestId: string, tokenIds: Uint32Array, media: readonly MediaRows[]) {
    const task = { requestId, tokenIds, generatedTokens: 0, sampling: greedySampling };
    let kv: KvOf | undefined;
    try {
      for await (const output of this.#engine.prefill({ ...task, media }, never)) {
        if (output.kind === 'started') {
          kv = output.kv;
          continue;
        }
        const firstTokenId = output.token.tokenId;
        if (output.endOfText || kv === undefined) return { firstTokenId, session: undefined };
        const session = await this.#engine.reserve({ ...task, tokensMax: answerTokensMax - 1 }, never);
        for (let layer = 0; layer < this.#engine.descriptor.layerCount; layer++) {
          await kv.layerReady(layer, never);
          for (const part of ['k', 'v'] as const) session.rows(layer, part).set(kv.rows(layer, part));
        }
        return { firstTokenId, session };
      }
      throw new Error('prefill ended without a token');
    } finally {
      kv?.release();
    }
  }
}

type KvOf = Extract<
  Awaited<ReturnType<ReturnType<EmbeddedEngine['prefill']>['next']>>['value'],
  { kind: 'started' }
>['kv'];
