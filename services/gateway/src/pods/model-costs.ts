import type { wire } from '@tercet/contracts';
import { type PrefillCost, StageFits } from '@tercet/cost-model';

/** Before anything was measured: only how times compare matters then, and all of them are made of this. */
const unmeasured: PrefillCost = { fixedMs: 0, perTokenMs: 1, perTokenSquaredMs: 0 };

/** What prefill costs each model, fitted to the steps that all its pods tell of. */
export class ModelCosts {
  readonly #fits: ReadonlyMap<string, StageFits>;

  constructor(models: readonly string[]) {
    this.#fits = new Map(models.map((model) => [model, new StageFits()]));
  }

  /** Steps of a pod of this model. */
  learn(model: string, work: readonly wire.WorkSample[]): void {
    for (const { ms, step } of work) {
      if (step?.$case !== 'prefill') continue;
      const { tokens, squares } = step.value;
      this.#fits.get(model)?.add('prefill', [1, tokens, squares], ms);
    }
  }

  prefill(model: string): PrefillCost {
    const fitted = this.#fits.get(model)?.of('prefill');
    if (fitted === undefined) return unmeasured;
    const [fixedMs = 0, perTokenMs = 0, perTokenSquaredMs = 0] = fitted.coefficients;
    return { fixedMs, perTokenMs, perTokenSquaredMs };
  }
}
