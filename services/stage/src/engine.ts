import type { DeviceArbiter } from '@tercet/device-arbiter';
import { createSamplerFactory, EmbeddedEngine } from '@tercet/engine';
import { GgmlBackend } from '@tercet/ggml';
import { systemClock } from '@tercet/telemetry';
import type { SharedMemory } from '@tercet/tensor-plane';
import { tokenizerOf } from '@tercet/text';
import type { StageConfig } from './config.js';

/**
 * The engine of this process, loaded once for all roles.
 * @throws model_file_missing, model_file_invalid, engine_incompatible
 */
export function openEngine(
  config: StageConfig,
  parts: { readonly memory: SharedMemory; readonly arbiter: DeviceArbiter | null },
): EmbeddedEngine {
  const { model, engine, threads } = config;
  const { memory, arbiter } = parts;
  const backend = GgmlBackend.open({
    modelName: model.name,
    modelPath: model.path,
    ...(model.mmprojPath === undefined ? {} : { mmprojPath: model.mmprojPath }),
    slotCount: engine.slotCount,
    contextTokensMax: engine.contextTokensMax,
    chunkTokensMax: engine.chunkTokens,
    layerGroups: engine.layerGroups,
    allocateArena: (bytes) => {
      const arena = memory.allocate({ bytes, label: 'kv' });
      return { address: arena.address, bytes, view: arena.view().buffer as ArrayBuffer, free: () => undefined };
    },
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
    ...(arbiter === null ? {} : { acquireCores: (need, signal) => arbiter.acquire(need, signal) }),
  });
}
