import { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
import { GgmlEmbedder } from './ggml-embedder.js';
import { Weights } from './weights.js';

/**
 * The backend that a model file's architecture wants.
 * @throws model_file_missing, model_file_invalid, engine_incompatible
 */
export function openBackend(options: GgmlBackendOptions): GgmlBackend | GgmlEmbedder {
  const weights = Weights.open(options.modelPath);
  const architecture = weights.gguf.requireString('general.architecture');
  weights.close();
  return architecture === 'bert' ? GgmlEmbedder.open(options) : GgmlBackend.open(options);
}
