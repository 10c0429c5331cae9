import { ManualClock } from '@tercet/base';
import type { DecodeTask, KvExport, MediaRows, PrefillTask, SamplingParams } from '../stage-engine.js';
import { EmbeddedEngine } from './embedded-engine.js';
import { FakeBackend, type FakeBackendOptions } from './fake-backend.js';
import { greedySampler, greedySampling } from './greedy-sampler.js';
import type { EmbeddedEngineOptions, EngineLimits } from './options.js';

export const never = new AbortController().signal;

export const greedy: SamplingParams = { ...greedySampling, seed: 1n };

export const smallLimits: EngineLimits = {
  stepTokensMax: 40,
  chunkTokens: 32,
  chunkWaitStepsMax: 4,
  agedSteps: 16,
  kvBlocksMax: 128,
  reuseGrainTokens: 16,
  waitingMax: 16,
  stepTilesMax: 2,
  decodeAheadTokens: 8,
};

export interface TestEngineOptions extends Partial<Omit<EmbeddedEngineOptions, 'limits' | 'backend'>> {
  readonly limits?: Partial<EngineLimits>;
  readonly backend?: FakeBackend | FakeBackendOptions;
}

/** An engine over the fake backend, with limits so small that everything happens in short texts. */
export function openTestEngine(options: TestEngineOptions = {}): { engine: EmbeddedEngine; backend: FakeBackend } {
  const { limits, backend: given, ...rest } = options;
  const backend = given instanceof FakeBackend ? given : new FakeBackend(given);
  const engine = EmbeddedEngine.open({
    clock: new ManualClock(),
    samplerOf: () => greedySampler,
    endOfTextTokenIds: new Set(),
    threads: 1,
    ...rest,
    backend,
    limits: { ...smallLimits, ...limits },
  });
  return { engine, backend };
}

export function promptOf(length: number, seed = 1): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => 1 + ((i * 7 + seed * 13 + ((i * seed) >> 3)) % 60));
}

export function prefillTask(tokenIds: Uint32Array, more: Partial<PrefillTask> = {}): PrefillTask {
  return { requestId: 'r', tokenIds, media: [], generatedTokens: 0, sampling: greedy, ...more };
}

export function decodeTask(tokenIds: Uint32Array, tokensMax: number, more: Partial<DecodeTask> = {}): DecodeTask {
  return { requestId: 'r', tokenIds, generatedTokens: 0, sampling: greedy, tokensMax, ...more };
}

export function mediaRows(start: number, tokens: number, content: number): MediaRows {
  const rows = Float32Array.from({ length: tokens * 4 }, (_, i) => content * 100 + i);
  return { start, tokens, contentKey: `media-${content}`, rows };
}

export interface Text {
  readonly tokenIds: readonly number[];
  readonly cachedTokens: number;
  readonly reason: 'stop' | 'length';
}

export interface TextRequest extends Partial<PrefillTask> {
  readonly tokenIds: Uint32Array;
  readonly tokensMax: number;
}

/** One request through both stages, with the hand-over that a stage process does: KV is copied layer by layer. */
export async function generate(
  engines: { prefill: EmbeddedEngine; decode: EmbeddedEngine },
  request: TextRequest,
  signal: AbortSignal = never,
): Promise<Text> {
  const { tokenIds, tokensMax, generatedTokens = 0, sampling = greedy } = request;
  const prefill = engines.prefill.prefill(prefillTask(tokenIds, request), signal);
  const started = (await prefill.next()).value;
  if (started?.kind !== 'started') throw new Error('no started event');
  try {
    const task = decodeTask(tokenIds, tokensMax - 1, { generatedTokens, sampling });
    await using session = await engines.decode.reserve(task, signal);
    const pull = pullKv(started.kv, { to: session, layers: engines.decode.descriptor.layerCount, signal });
    const [{ value: first }] = await Promise.all([prefill.next(), pull]);
    if (first?.kind !== 'firstToken') throw new Error('no first token');
    await prefill.next();
    started.kv.release();
    const head = { cachedTokens: started.cachedTokens };
    if (first.endOfText) return { ...head, tokenIds: [], reason: 'stop' };
    const text = [first.token.tokenId];
    for await (const output of session.run(first.token.tokenId, signal)) {
      if (output.kind === 'finished') return { ...head, tokenIds: text, reason: output.reason };
      text.push(output.token.tokenId);
    }
    throw new Error('decode ended without a reason');
  } finally {
    await prefill.return(undefined);
    started.kv.release();
  }
}

async function pullKv(
  kv: KvExport,
  into: { to: { rows(layer: number, part: 'k' | 'v'): Uint8Array }; layers: number; signal: AbortSignal },
): Promise<void> {
  for (let layer = 0; layer < into.layers; layer++) {
    await kv.layerReady(layer, into.signal);
    for (const part of ['k', 'v'] as const) into.to.rows(layer, part).set(kv.rows(layer, part));
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Lets everything that is ready run. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
