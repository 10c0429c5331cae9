import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DecodeTask,
  type EngineLimits,
  greedySampling,
  type KvExport,
  type MediaRows,
  type PrefillOutput,
  type PrefillTask,
  type StageEngine,
} from '@tercet/engine';
import { type BlockDigest, blockDigestsOf, blockTokens, reusedTokens } from '@tercet/kv';
import { reuseOf, type StoredPrompt } from '@tercet/scheduler';

/** What the engines under test are opened with: room for four texts, and two more that wait. */
export const engineSizes = { slotCount: 4, contextTokensMax: 256 };
export const engineLimits: EngineLimits = {
  stepTokensMax: 40,
  chunkTokens: 32,
  chunkWaitStepsMax: 4,
  agedSteps: 16,
  kvBlocksMax: 64,
  reuseGrainTokens: 16,
  waitingMax: 2,
  stepTilesMax: 2,
  decodeAheadTokens: 8,
};

export interface EngineSetup {
  readonly endOfTextTokenIds: readonly number[];
}

export const never = new AbortController().signal;
export const greedy = { ...greedySampling, seed: 1n };

export interface Text {
  readonly tokenIds: readonly number[];
  readonly cachedTokens: number;
  readonly reason: 'stop' | 'length';
  /** V of the last layer: everything before it went into these rows. */
  readonly lastRows: Uint8Array;
}

export interface TextRequest extends Partial<PrefillTask> {
  readonly tokenIds: Uint32Array;
  readonly tokensMax: number;
}

export interface Caller {
  readonly signal: AbortSignal;
  /** Called when a text has come so far. */
  readonly at: (moment: 'started' | 'layer' | 'firstToken' | 'reserved' | 'token') => void;
}

export interface Engines {
  readonly prefill: StageEngine;
  readonly decode: StageEngine;
}

export function both(engine: StageEngine): Engines {
  return { prefill: engine, decode: engine };
}

/** One request through both stages, with the hand-over that stage processes do. */
export async function generate(
  { prefill, decode }: Engines,
  request: TextRequest,
  { signal, at }: Caller = { signal: never, at: () => undefined },
): Promise<Text> {
  const { kv, outputs, cachedTokens } = await started(prefill, request, signal);
  try {
    at('started');
    await kv.layerReady(0, never);
    at('layer');
    const first = (await outputs.next()).value as PrefillOutput | undefined;
    if (first?.kind !== 'firstToken') throw new Error('no first token');
    at('firstToken');
    const { layerCount } = decode.descriptor;
    const head = { cachedTokens, lastRows: kv.rows(layerCount - 1, 'v').slice() };
    if (first.endOfText) return { ...head, tokenIds: [], reason: 'stop' };
    await using session = await decode.reserve(decodeTask(request), signal);
    for (let layer = 0; layer < layerCount; layer++) {
      for (const part of ['k', 'v'] as const) session.rows(layer, part).set(kv.rows(layer, part));
    }
    at('reserved');
    const text = [first.token.tokenId];
    for await (const output of session.run(first.token.tokenId, signal)) {
      if (output.kind === 'finished') return { ...head, tokenIds: text, reason: output.reason };
      text.push(output.token.tokenId);
      at('token');
    }
    throw new Error('decode ended without a reason');
  } finally {
    await outputs.return?.();
    kv.release();
  }
}

export interface Started {
  readonly kv: KvExport;
  readonly cachedTokens: number;
  readonly outputs: AsyncIterator<PrefillOutput>;
}

/** A prefill that has its slot; the caller owes the release. */
export async function started(
  engine: StageEngine,
  request: Partial<PrefillTask> & Pick<PrefillTask, 'tokenIds'>,
  signal = never,
): Promise<Started> {
  const task = { requestId: 'r', media: [], generatedTokens: 0, sampling: greedy, ...request };
  const outputs = engine.prefill(task, signal)[Symbol.asyncIterator]();
  const { value } = await outputs.next();
  if (value?.kind !== 'started') throw new Error('no started event');
  return { kv: value.kv, cachedTokens: value.cachedTokens, outputs };
}

/** The decode of a request whose first token prefill has sampled. */
export function decodeTask({ tokenIds, tokensMax, generatedTokens = 0, sampling = greedy }: TextRequest): DecodeTask {
  return { requestId: 'r', tokenIds, generatedTokens, sampling, tokensMax: tokensMax - 1 };
}

export function promptOf(length: number, seed = 1): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => 1 + ((i * 7 + seed * 13 + ((i * seed) >> 3)) % 58));
}

/** Two rows of an image that the engine never saw. */
export function mediaOf(engine: StageEngine, { start, content }: { start: number; content: number }): MediaRows {
  const dim = engine.descriptor.media?.dim ?? 0;
  const rows = Float32Array.from({ length: 2 * dim }, (_, i) => Math.sin(i + content));
  return { start, tokens: 2, contentKey: `content ${content}`, rows };
}

/** Tokens of a prompt that an engine with these blocks will not compute, as a router works it out. */
export function expectedTokens(
  { descriptor }: StageEngine,
  known: ReadonlySet<BlockDigest>,
  prompt: StoredPrompt,
): number {
  const { reuse } = descriptor;
  if (reuse === undefined) return 0;
  const demand = reuseOf(prompt, reuse);
  const blocks = blockDigestsOf(demand.key);
  const missing = blocks.findIndex((block) => !known.has(block));
  const storedBlocks = missing < 0 ? blocks.length : missing;
  return reusedTokens(storedBlocks * blockTokens, demand, reuse.grainTokens);
}

/** Resolves when the engine is free and has told what that changed. */
export async function toldAll(engine: StageEngine): Promise<void> {
  await free(engine);
  await sleep(20);
}

/** Resolves once the engine holds nothing, which it may learn of later than the caller. */
export async function free(engine: StageEngine): Promise<void> {
  await until(() => {
    const { waiting, running, kvBlocksUsed } = engine.load();
    return waiting + running + kvBlocksUsed === 0;
  });
}

export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error('it never came to that');
}
