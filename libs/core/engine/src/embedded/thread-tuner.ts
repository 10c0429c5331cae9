/** A step as far as threads are concerned: what it does and how much of it. */
export interface StepSize {
  readonly kind: 'encode' | 'prefill' | 'decode';
  /** Rows, tiles or texts. */
  readonly tokens: number;
}

interface SizeClass {
  readonly byThreads: Map<number, StepTimes>;
  choices: readonly number[];
  /** Steps until another number of threads is tried. */
  untilTry: number;
  /** Tries in a row that changed nothing; each doubles the wait for the next. */
  confirmed: number;
  /** What a token took when numbers of threads were last compared. */
  comparedMs: number;
}

const firstTryAfter = 16;
/** Trying what is slower may cost a fiftieth of the time, and where it stays slower, ever less. */
const tryShare = 50;
const triesAfterMax = 512;
/** A median so much slower than at the last comparison says that somebody else computes: others are tried soon. */
const contendedFactor = 1.4;

/**
 * Chooses how many threads a step uses, by what earlier steps of its size took. More threads than free cores collapse:
 * ggml's threads wait for each other at barriers, and one that the system took off its core holds up all. Nobody tells
 * a process that others compute, so the times themselves must; what is slower is tried again ever more rarely. A size
 * that is new begins with what was best for the others.
 */
export class ThreadTuner {
  readonly #classes = new Map<string, SizeClass>();
  #favoured: number | undefined;

  /** @param threadsMax cores that the step may have at most */
  choose(size: StepSize, threadsMax: number): number {
    const choices = choicesUpTo(threadsMax);
    const sizeClass = this.#class(size);
    sizeClass.choices = choices;
    const { byThreads, untilTry } = sizeClass;
    if (byThreads.size === 0) return Math.min(this.#favoured ?? threadsMax, threadsMax);
    const best = fastest(byThreads, choices);
    if (choices.length === 1 || (untilTry > 0 && this.#favoured !== undefined)) return best;
    const steps = (threads: number) => byThreads.get(threads)?.steps ?? 0;
    const others = choices.filter((threads) => threads !== best);
    return others.toSorted((a, b) => steps(a) - steps(b))[0] ?? best;
  }

  /** What a step took with so many threads. */
  learn(size: StepSize, threads: number, ms: number): void {
    const sizeClass = this.#class(size);
    const { byThreads } = sizeClass;
    const known = [...byThreads.keys()];
    const before = fastest(byThreads, known);
    const isTry = known.length > 0 && threads !== before;
    const times = byThreads.get(threads) ?? new StepTimes();
    byThreads.set(threads, times);
    times.add(ms / Math.max(1, size.tokens), isTry);
    const best = fastest(byThreads, [...byThreads.keys()]);
    const bestMs = byThreads.get(best)?.msPerToken ?? 0;
    if (byThreads.size > 1) this.#favoured = best;
    if (isTry) {
      sizeClass.confirmed = best === before ? sizeClass.confirmed + 1 : 0;
      const share = tryShare * 2 ** Math.min(8, sizeClass.confirmed);
      const wait = Math.min(triesAfterMax, Math.round((share * times.msPerToken) / bestMs));
      sizeClass.untilTry = sizeClass.choices.every((choice) => byThreads.has(choice)) ? wait : firstTryAfter;
      sizeClass.comparedMs = bestMs;
    } else if (best > 1 && bestMs > contendedFactor * sizeClass.comparedMs && sizeClass.comparedMs > 0) {
      sizeClass.untilTry = 0;
    } else sizeClass.untilTry--;
  }

  /** Sizes within a factor of two share their measurements: at most a dozen classes of each kind. */
  #class({ kind, tokens }: StepSize): SizeClass {
    const key = `${kind} ${Math.floor(Math.log2(Math.max(1, tokens)))}`;
    let found = this.#classes.get(key);
    if (found === undefined) {
      found = { byThreads: new Map(), choices: [], untilTry: firstTryAfter, confirmed: 0, comparedMs: 0 };
      this.#classes.set(key, found);
    }
    return found;
  }
}

const timesKept = 7;

/** The latest times of steps with one number of threads. */
class StepTimes {
  readonly #recent: number[] = [];
  #steps = 0;
  #median = Number.POSITIVE_INFINITY;

  get steps(): number {
    return this.#steps;
  }

  /** Median of the latest: a step now and then that the system held up says nothing about the number of threads. */
  get msPerToken(): number {
    return this.#median;
  }

  /** Others only ever make a step slower, so a try that is faster than what is known tells the truth. */
  add(msPerToken: number, isTry: boolean): void {
    // The first step of a size builds what later ones use.
    if (this.#steps === 1 || (isTry && msPerToken < this.#median)) this.#recent.length = 0;
    this.#steps++;
    this.#recent.push(msPerToken);
    if (this.#recent.length > timesKept) this.#recent.shift();
    this.#median = this.#recent.toSorted((a, b) => a - b)[this.#recent.length >> 1] as number;
  }
}

function fastest(byThreads: ReadonlyMap<number, StepTimes>, choices: readonly number[]): number {
  const msOf = (threads: number) => byThreads.get(threads)?.msPerToken ?? Number.POSITIVE_INFINITY;
  return choices.reduce((best, threads) => (msOf(threads) < msOf(best) ? threads : best), choices[0] ?? 1);
}

/** 1, 2, 4 … and the most. */
function choicesUpTo(threadsMax: number): number[] {
  const choices: number[] = [];
  for (let threads = 1; threads < threadsMax; threads *= 2) choices.push(threads);
  return [...choices, Math.max(1, threadsMax)];
}
