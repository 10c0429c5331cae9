import { afterAll, describe } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { EmbeddedEngine, FakeBackend, greedySampler } from '@tercet/engine';
import { EngineThread } from '@tercet/engine-thread';
import { SharedMemory } from '@tercet/tensor-plane';
import { type EngineSetup, engineLimits, engineSizes } from './engine-calls.js';
import { describeEmbedding, describeEngine } from './engine-contract.js';
import { type ModelFiles, openGgmlEngine } from './ggml-engine.js';

const tiny = { model: 'tiny/tercet-tiny.gguf', mmproj: 'tiny/mmproj-tercet-tiny.gguf' };
const memory = SharedMemory.open();
afterAll(() => memory.close());

describeEngine('an engine over the fake backend', async (setup) => overFakeBackend(setup));
describeEngine('an engine over ggml', async (setup) => openGgmlEngine({ ...setup, files: tiny }));
describeEngine('an engine over ggml on a thread of its own', (setup) => onThread(setup, tiny));
describe('an embedder on a thread of its own keeps its part of the contract', () => {
  describeEmbedding(() => onThread({ endOfTextTokenIds: [] }, { model: 'fixtures/bert.gguf' }));
});

function overFakeBackend({ endOfTextTokenIds }: EngineSetup): EmbeddedEngine {
  const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
  return EmbeddedEngine.open({
    backend: new FakeBackend({ ...engineSizes, pause }),
    clock: new ManualClock(),
    samplerOf: () => greedySampler,
    endOfTextTokenIds: new Set(endOfTextTokenIds),
    threads: 1,
    limits: engineLimits,
  });
}

function onThread(setup: EngineSetup, files: ModelFiles): Promise<EngineThread> {
  return EngineThread.open({
    script: new URL('../dist/engine-thread.js', import.meta.url),
    data: { ...setup, files },
    allocateArena: (bytes) => {
      const arena = memory.allocate({ bytes, label: 'kv' });
      return { address: arena.address, view: arena.view() };
    },
    onCrash: (error) => {
      throw error;
    },
  });
}
