import { fileURLToPath } from 'node:url';
import { describe } from '@jest/globals';
import { FakeBackend } from '@tercet/engine';
import { GgmlBackend, GgmlEmbedder } from '@tercet/ggml';
import { describeBackend, describeEmbedding } from './backend-contract.js';

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}.gguf`, import.meta.url));
const sizes = { slotCount: 4, contextTokensMax: 128, chunkTokensMax: 128 };

describeBackend('the fake backend', () => new FakeBackend());
describeBackend('the fake backend with kernels by shape', () => new FakeBackend({ shapeSensitive: true }));
describeBackend('ggml with a Llama that sees images', () => {
  const mmprojPath = fixture('smolvlm-vision');
  return GgmlBackend.open({ modelName: 'llama', modelPath: fixture('llama'), mmprojPath, ...sizes });
});
describeBackend('ggml with a Gemma 3', () =>
  GgmlBackend.open({ modelName: 'gemma3', modelPath: fixture('gemma3'), ...sizes }),
);
describe('ggml with an embedder keeps its part of the contract of a backend', () => {
  describeEmbedding(() => GgmlEmbedder.open({ modelName: 'bert', modelPath: fixture('bert'), contextTokensMax: 64 }));
});
