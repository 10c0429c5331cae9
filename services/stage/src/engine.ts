import { DeviceArbiter } from '@tercet/device-arbiter';
import { createSamplerFactory, EmbeddedEngine } from '@tercet/engine';
import { type AllocateArena, openBackend } from '@tercet/ggml';
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
  const tokenizer = tokenizerOf(backend.gguf);
  const { endOfTextTokenIds } = tokenizer;
  return EmbeddedEngine.open({
    backend,
    clock: systemClock,
    samplerOf: createSamplerFactory({
      vocabSize: backend.descriptor.vocabSize,
      tokenBytes: (tokenId) => tokenizer.bytesOf(tokenId),
      endOfTextTokenIds,
    }),
    endOfTextTokenIds,
    limits: { ...engine, reuseGrainTokens: 16 },
    threads,
    ...(arbiter === undefined ? {} : { acquireCores: (need, signal) => arbiter.acquire(need, signal) }),
  });
}
