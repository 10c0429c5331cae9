import { assert } from '@tercet/base';

export interface Fitted {
  /** One per feature, none below zero: more work never takes less time. */
  readonly coefficients: readonly number[];
  /** Root of the mean squared relative error over the samples, as they are weighted now. */
  readonly relativeError: number;
  /** Samples, those that faded counted as what is left of them. */
  readonly weight: number;
  /** Standard error of the relative prediction for these features: what is not known of the coefficients. */
  uncertainty(features: readonly number[]): number;
}

/** Samples between two looks at what the fit expects of the next ones. */
const renewSamples = 32;
/** A time is weighed as if it were expected within this factor, so that neither a hiccup nor a bad start rules. */
const surpriseMax = 10;

/**
 * Least squares on the relative error, of a time that is linear in its features, forgetting what is old: weights are
 * 1 / T², times a factor that fades with every later sample. T is there what the fit expects, not what was measured:
 * otherwise what took long by chance would count less, and the fit would lie below the mean by about twice the variance
 * of the relative error. Cost: features² a sample, features³ a solution.
 * @see Zhong et al. 2024, arXiv:2401.09670 (relative error); Ljung 1999, "System Identification", 11.2 (forgetting)
 */
export class OnlineFit {
  readonly #features: number;
  readonly #fading: number;
  /** Σ w x xᵀ, Σ w x T and Σ w T². */
  readonly #moments: Float64Array;
  readonly #products: Float64Array;
  #squares = 0;
  #weight = 0;
  /** Coefficients as they were known a while ago. */
  #expecting: readonly number[] | undefined;
  #untilRenewed: number;

  /** @param memory samples after which one has faded to 1/e of its weight */
  constructor({ features, memory = 2000 }: { readonly features: number; readonly memory?: number }) {
    this.#features = features;
    this.#fading = Math.exp(-1 / memory);
    this.#moments = new Float64Array(features * features);
    this.#products = new Float64Array(features);
    this.#untilRenewed = 4 * features;
  }

  get weight(): number {
    return this.#weight;
  }

  /** A measured time. Ones that are not above zero say nothing and are left out. */
  add(features: readonly number[], ms: number): void {
    const size = this.#features;
    assert(features.length === size, 'features', { expected: size, got: features.length });
    if (!(ms > 0) || !features.every(Number.isFinite)) return;
    const expectedMs = this.#expectedMs(features, ms);
    const relative = ms / expectedMs;
    for (let i = 0; i < size; i++) {
      const xi = (features[i] as number) / expectedMs;
      this.#products[i] = (this.#products[i] as number) * this.#fading + xi * relative;
      for (let j = 0; j < size; j++) {
        const at = i * size + j;
        this.#moments[at] = (this.#moments[at] as number) * this.#fading + (xi * (features[j] as number)) / expectedMs;
      }
    }
    this.#squares = this.#squares * this.#fading + relative * relative;
    this.#weight = this.#weight * this.#fading + 1;
    if (--this.#untilRenewed > 0) return;
    this.#expecting = this.solve()?.coefficients;
    this.#untilRenewed = renewSamples;
  }

  /** `undefined` until there are more samples than features. */
  solve(): Fitted | undefined {
    if (this.#weight <= this.#features) return undefined;
    const known = Array.from({ length: this.#features }, (_, i) => i).filter((i) => this.#moment(i, i) > 0);
    const active = [...known];
    for (;;) {
      const values = this.#inverse(active).map((row) => this.#weighted(row, active));
      const worst = values.indexOf(Math.min(...values));
      if (values.length === 0 || (values[worst] as number) >= 0) return this.#fitted(known, active, values);
      active.splice(worst, 1);
    }
  }

  #expectedMs(features: readonly number[], ms: number): number {
    if (this.#expecting === undefined) return ms;
    const expectedMs = dot(features, this.#expecting);
    return Math.min(Math.max(expectedMs, ms / surpriseMax), ms * surpriseMax);
  }

  #fitted(known: readonly number[], active: readonly number[], values: readonly number[]): Fitted {
    const coefficients = Array<number>(this.#features).fill(0);
    active.forEach((feature, i) => {
      coefficients[feature] = values[i] as number;
    });
    const unexplained = Math.max(0, this.#squares - this.#weighted(values, active));
    const variance = unexplained / Math.max(1, this.#weight - active.length);
    // A coefficient that was held at zero is not known any better.
    const inverse = this.#inverse(known);
    return {
      coefficients,
      relativeError: Math.sqrt(unexplained / this.#weight),
      weight: this.#weight,
      uncertainty: (features) => {
        const predicted = features.reduce((sum, x, i) => sum + x * (coefficients[i] as number), 0);
        const spread = known.map((i) => features[i] as number);
        const quadratic = inverse.reduce((sum, row, i) => sum + (spread[i] as number) * dot(row, spread), 0);
        return predicted > 0 ? Math.sqrt(Math.max(0, variance * quadratic)) / predicted : Number.POSITIVE_INFINITY;
      },
    };
  }

  #inverse(features: readonly number[]): number[][] {
    return inverseOf(features.map((i) => features.map((j) => this.#moment(i, j))));
  }

  #weighted(values: readonly number[], features: readonly number[]): number {
    return dot(
      values,
      features.map((i) => this.#products[i] as number),
    );
  }

  #moment(i: number, j: number): number {
    return this.#moments[i * this.#features + j] as number;
  }
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

/** Of a small symmetric positive matrix, by Gauss and Jordan; features that say the same share their part. */
function inverseOf(matrix: readonly number[][]): number[][] {
  const size = matrix.length;
  const scale = matrix.map((row, i) => Math.sqrt(row[i] as number));
  const rows = matrix.map((row, i) => [
    ...row.map((value, j) => value / ((scale[i] as number) * (scale[j] as number)) + (i === j ? 1e-9 : 0)),
    ...Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)),
  ]);
  for (let column = 0; column < size; column++) {
    const pivotRow = rows[column] as number[];
    const pivot = pivotRow[column] as number;
    for (let j = 0; j < 2 * size; j++) pivotRow[j] = (pivotRow[j] as number) / pivot;
    for (const [i, row] of rows.entries()) {
      const factor = row[column] as number;
      if (i === column || factor === 0) continue;
      for (let j = 0; j < 2 * size; j++) row[j] = (row[j] as number) - factor * (pivotRow[j] as number);
    }
  }
  return rows.map((row, i) => row.slice(size).map((value, j) => value / ((scale[i] as number) * (scale[j] as number))));
}
