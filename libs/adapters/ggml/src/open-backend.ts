import { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
import { GgmlEmbedder } from './ggml-embedder.js';
import { checkLayout } from './layout-check.js';
import { Weights } from './weights.js';

/**
 * The backend that a model file's architecture wants.
 * @throws model_file_missing, model_file_invalid, engine_incompatible
 */
export function openBackend(options: GgmlBackendOptions): GgmlBackend | GgmlEmbedder {
  checkLayout();
  const weights = Weights.open(options.modelPath);
  return isEmbedder(weights) ? GgmlEmbedder.over(weights, options) : GgmlBackend.over(weights, options);
}

function isEmbedder(weights: Weights): boolean {
  try {
    return weights.gguf.requireString('general.architecture') === 'bert';
  } catch (error) {
    weights.close();
    throw error;
  }
}
