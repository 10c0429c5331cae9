import { DeviceArbiter } from '@tercet/device-arbiter';
import { type Backend, createSamplerFactory, EmbeddedEngine } from '@tercet/engine';
import { type AllocateArena, openBackend } from '@tercet/ggml';
import { loadKernels } from '@tercet/kernels';
import { systemClock } from '@tercet/telemetry';
import { tokenizerOf } from '@tercet/text';
import type { StageConfig } from './config.js';

/**
 * The engine of this process, loaded once for all roles, on the calling thread.
 * @throws model_file_missing, model_file_invalid, engine_incompatible, config_invalid without an arbiter that answers
 */
export async function openEngine(config: StageConfig, allocateArena: AllocateArena): Promise<EmbeddedEngine> {
  const { model, engine, threads, arbiterSocket } = config;
  const arbiter = arbiterSocket === undefined ? undefined : await DeviceArbiter.connect(arbiterSocket);
  const backend = openBackend({
    modelName: model.name,
    modelPath: model.path,
    ...(model.mmprojPath === undefined ? {} : { mmprojPath: model.mmprojPath }),
    slotCount: engine.slotCount,
    contextTokensMax: engine.contextTokensMax,
    chunkTokensMax: engine.chunkTokens,
    layerGroups: engine.layerGroups,
    isThreadOurs: true,
    allocateArena,
  });
  const grant = (await arbiter?.acquire({ threadsMax: threads }, never)) ?? { threads, release: () => undefined };
  await warmUp(backend, config.role, grant.threads);
  grant.release();
  const tokenizer = tokenizerOf(backend.gguf);
  const { endOfTextTokenIds } = tokenizer;
  const vocabulary = {
    vocabSize: backend.descriptor.vocabSize,
    tokenBytes: (tokenId: number) => tokenizer.bytesOf(tokenId),
    endOfTextTokenIds,
  };
  return EmbeddedEngine.open({
    backend,
    clock: systemClock,
    samplerOf: createSamplerFactory(vocabulary, loadKernels()),
    endOfTextTokenIds,
    limits: { ...engine, reuseGrainTokens: 16 },
    threads,
    ...(arbiter === undefined ? {} : { acquireCores: (need, signal) => arbiter.acquire(need, signal) }),
  });
}

const never = new AbortController().signal;
const warmUpTokens = 64;

/**
 * Computes what the role will compute, once, so that the first request finds graphs built, matrices repacked and pages
 * in memory. Rows that it leaves in the first slot are overwritten: no prefix knows of them.
 */
async function warmUp(backend: Backend, role: StageConfig['role'], threads: number): Promise<void> {
  const { media, embeddingDim, contextTokensMax } = backend.descriptor;
  if (role === 'encode' && media !== undefined) {
    const pixels = new Float32Array(3 * media.tileSize ** 2);
    await backend.encodeTiles({ pixels, tileCount: 1, threads }, never);
  }
  if (role === 'encode' && embeddingDim !== undefined) {
    await backend.embed({ tokenIds: new Uint32Array(1), threads }, never);
  }
  if (role === 'prefill') {
    const tokenIds = new Uint32Array(Math.min(warmUpTokens, contextTokensMax));
    const chunk = { slot: 0, start: 0, tokenIds, media: [], rows: 'prompt', wantsLogits: true } as const;
    await backend.run({ prefills: [chunk], decodes: [], threads }, never);
  }
  if (role === 'decode') {
    const row = { slot: 0, position: 0, tokenId: 0 };
    await backend.run({ prefills: [], decodes: [row], threads }, never);
  }
}
