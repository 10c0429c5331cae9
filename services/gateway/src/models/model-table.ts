import { TercetError } from '@tercet/contracts';
import type { EmbeddingModel } from './embedding-model.js';
import type { ServedModel } from './served-model.js';

/** The models that this gateway answers for. */
export class ModelTable {
  readonly #models: ReadonlyMap<string, ServedModel | EmbeddingModel>;

  constructor(models: readonly (ServedModel | EmbeddingModel)[]) {
    this.#models = new Map(models.map((model) => [model.name, model]));
  }

  get all(): readonly (ServedModel | EmbeddingModel)[] {
    return [...this.#models.values()];
  }

  /** A model that writes text. @throws model_not_found, feature_unsupported when it is an embedder */
  get(name: string): ServedModel {
    const model = this.any(name);
    if (model.kind !== 'text') throw new TercetError('feature_unsupported', { feature: 'generation', model: name });
    return model;
  }

  /** A model that embeds text. @throws model_not_found, feature_unsupported when it is none */
  embedder(name: string): EmbeddingModel {
    const model = this.any(name);
    if (model.kind !== 'embedding') {
      throw new TercetError('feature_unsupported', { feature: 'embeddings', model: name });
    }
    return model;
  }

  /** @throws model_not_found */
  any(name: string): ServedModel | EmbeddingModel {
    const model = this.#models.get(name);
    if (model === undefined) throw new TercetError('model_not_found', { model: name, known: [...this.#models.keys()] });
    return model;
  }
}
