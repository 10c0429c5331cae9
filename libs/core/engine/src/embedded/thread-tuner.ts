/** A step as far as threads are concerned: what it does and how much of it. */
export interface StepSize {
  readonly kind: 'encode' | 'prefill' | 'decode';
  /** Rows, tiles or texts. */
  readonly tokens: number;
}

interface Measured {
  /** Milliseconds per token; recent steps weigh more. */
  msPerToken: number;
  steps: number;
}

interface SizeClass {
  readonly byThreads: Map<number, Measured>;
  /** Steps until another number of threads is tried. */
  untilProbe: number;
}

const newestWeight = 0.25;
const probeAfter = { first: 16, max: 1 << 16 };
/** Trying what is slower may cost a fiftieth of the time. */
const probeShare = 50;
/** A step so much slower than usual says that somebody else computes: fewer threads are tried soon. */
const contendedFactor = 1.6;

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
    const { byThreads, untilProbe } = this.#class(size);
    if (byThreads.size === 0) return Math.min(this.#favoured ?? threadsMax, threadsMax);
    const best = this.#best(byThreads, choices);
    if (choices.length === 1 || (untilProbe > 0 && this.#favoured !== undefined)) return best;
    const steps = (threads: number) => byThreads.get(threads)?.steps ?? 0;
    const others = choices.filter((threads) => threads !== best);
    return others.toSorted((a, b) => steps(a) - steps(b))[0] ?? best;
  }

  /** What a step took with so many threads. */
  learn(size: StepSize, threads: number, ms: number): void {
    const sizeClass = this.#class(size);
    const { byThreads } = sizeClass;
    const msPerToken = ms / Math.max(1, size.tokens);
    const known = byThreads.get(threads) ?? { msPerToken, steps: 0 };
    const contended = msPerToken > contendedFactor * known.msPerToken;
    // The first step of a size builds what later ones use. And others only ever make a step slower: a try that is
    // faster than what is known of a number of threads tells the truth, however it did before.
    const isTry = threads !== this.#best(byThreads, [...byThreads.keys()]);
    const isTrue = known.steps <= 1 || (isTry && msPerToken < known.msPerToken);
    known.msPerToken += (isTrue ? 1 : newestWeight) * (msPerToken - known.msPerToken);
    known.steps++;
    byThreads.set(threads, known);
    const best = this.#best(byThreads, [...byThreads.keys()]);
    if (byThreads.size > 1) this.#favoured = best;
    if (threads !== best) {
      const slower = known.msPerToken / (byThreads.get(best) as Measured).msPerToken;
      sizeClass.untilProbe = Math.min(probeAfter.max, Math.round(probeShare * slower));
    } else if (contended && best > 1) sizeClass.untilProbe = 0;
    else sizeClass.untilProbe--;
  }

  #best(byThreads: SizeClass['byThreads'], choices: readonly number[]): number {
    let best: number | undefined;
    for (const threads of choices) {
      const time = byThreads.get(threads)?.msPerToken ?? Number.POSITIVE_INFINITY;
      if (best === undefined || time < (byThreads.get(best)?.msPerToken ?? Number.POSITIVE_INFINITY)) best = threads;
    }
    return best ?? 1;
  }

  /** Sizes within a factor of two share their measurements: at most a dozen classes of each kind. */
  #class({ kind, tokens }: StepSize): SizeClass {
    const key = `${kind} ${Math.floor(Math.log2(Math.max(1, tokens)))}`;
    let found = this.#classes.get(key);
    if (found === undefined) {
      found = { byThreads: new Map(), untilProbe: probeAfter.first };
      this.#classes.set(key, found);
    }
    return found;
  }
}

/** 1, 2, 4 … and the most. */
function choicesUpTo(threadsMax: number): number[] {
  const choices: number[] = [];
  for (let threads = 1; threads < threadsMax; threads *= 2) choices.push(threads);
  return [...choices, Math.max(1, threadsMax)];
}
