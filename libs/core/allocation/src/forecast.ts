import { assert } from '@tercet/base';

export interface ForecastOptions {
  /** Windows after which a pattern returns; 0 where none is looked for. */
  readonly seasonWindows?: number;
  /** How fast level, trend and season follow, from 0 to 1. */
  readonly level?: number;
  readonly trend?: number;
  readonly season?: number;
}

/** A trend does not go on for ever. */
const damping = 0.9;

/**
 * What the next window brings, of a rate that was counted window by window: level, trend and season are smoothed, and
 * beside them stands plain persistence (what was is what comes). Whichever erred less lately is believed.
 * @see Holt 1957 and Winters 1960, exponential smoothing with additive season; the trend is damped
 */
export class Forecast {
  readonly #rates: Required<Pick<ForecastOptions, 'level' | 'trend' | 'season'>>;
  readonly #seasons: Float64Array;
  #level = 0;
  #trend = 0;
  #last = 0;
  #windows = 0;
  #errors = { smoothed: 0, persistence: 0 };

  constructor({ seasonWindows = 0, level = 0.5, trend = 0.2, season = 0.3 }: ForecastOptions = {}) {
    assert(seasonWindows !== 1, 'a season of one window is none');
    this.#rates = { level, trend, season };
    this.#seasons = new Float64Array(seasonWindows);
  }

  /** Which of the two is believed. */
  get method(): 'smoothed' | 'persistence' {
    return this.#errors.smoothed < this.#errors.persistence ? 'smoothed' : 'persistence';
  }

  /** Mean error of the believed one, one window ahead, in the unit of the values. */
  get errorOfNext(): number {
    return this.#errors[this.method];
  }

  /** What a window that is over brought. */
  add(value: number): void {
    assert(value >= 0 && Number.isFinite(value), 'no rate', { value });
    if (this.#windows === 0) {
      this.#level = value;
      if (this.#seasons.length > 0) this.#seasons[0] = value;
    } else {
      this.#judge('smoothed', this.#smoothed(1), value);
      this.#judge('persistence', this.#last, value);
      this.#follow(value);
    }
    this.#last = value;
    this.#windows++;
  }

  /** Expected value so many windows ahead; 0 before anything was seen. */
  next(windows = 1): number {
    return Math.max(0, this.method === 'smoothed' ? this.#smoothed(windows) : this.#last);
  }

  #smoothed(windows: number): number {
    let damped = 0;
    for (let i = 1; i <= windows; i++) damped += damping ** i;
    const seasonal = this.#isSeasonKnown ? (this.#seasons[this.#place(windows - 1)] as number) : 0;
    return this.#level + damped * this.#trend + seasonal;
  }

  #follow(value: number): void {
    const { level, trend, season } = this.#rates;
    const place = this.#place(0);
    if (this.#windows < this.#seasons.length) this.#seasons[place] = value;
    const seasonal = this.#isSeasonKnown ? (this.#seasons[place] as number) : 0;
    const before = this.#level;
    const expected = before + damping * this.#trend;
    this.#level = expected + level * (value - seasonal - expected);
    this.#trend = damping * this.#trend + trend * (this.#level - before - damping * this.#trend);
    if (this.#isSeasonKnown) this.#seasons[place] = seasonal + season * (value - this.#level - seasonal);
    if (this.#windows + 1 === this.#seasons.length) this.#knowSeason();
  }

  get #isSeasonKnown(): boolean {
    return this.#seasons.length > 0 && this.#windows >= this.#seasons.length;
  }

  /** The first season is over: it is what differs from its mean. */
  #knowSeason(): void {
    const mean = this.#seasons.reduce((sum, value) => sum + value, 0) / this.#seasons.length;
    for (const [place, value] of this.#seasons.entries()) this.#seasons[place] = value - mean;
    this.#level = mean;
    this.#trend = 0;
  }

  /** Place of the window so many after the next one within its season. */
  #place(ahead: number): number {
    return this.#seasons.length === 0 ? 0 : (this.#windows + ahead) % this.#seasons.length;
  }

  #judge(which: 'smoothed' | 'persistence', expected: number, value: number): void {
    const fading = Math.max(0.1, 1 / this.#windows);
    this.#errors[which] += fading * (Math.abs(expected - value) - this.#errors[which]);
  }
}
