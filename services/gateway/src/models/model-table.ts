import { TercetError } from '@tercet/contracts';
import type { ServedModel } from './served-model.js';

/** The models that this gateway answers for. */
export class ModelTable {
  readonly #models: ReadonlyMap<string, ServedModel>;

  constructor(models: readonly ServedModel[]) {
    this.#models = new Map(models.map((model) => [model.name, model]));
  }

  get all(): readonly ServedModel[] {
    return [...this.#models.values()];
  }

  /** @throws model_not_found */
  get(name: string): ServedModel {
    const model = this.#models.get(name);
    if (model === undefined) throw new TercetError('model_not_found', { model: name, known: [...this.#models.keys()] });
    return model;
  }
}
