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
const probeEvery = { min: 16, max: 1024 };
/** A step so much slower than usual says that somebody else computes: the other choices are tried soon. */
const contendedFactor = 1.6;

/**
 * Chooses how many threads a step uses, by what earlier steps of its size took. More threads than free cores collapse:
 * ggml's threads wait for each other at barriers, and one that the system took off its core holds up all. Nobody tells
 * a process that others compute, so the times themselves must; what is slower is tried again ever more rarely.
 */
export class ThreadTuner {
  readonly #classes = new Map<string, SizeClass>();

  /** @param threadsMax cores that the step may have at most */
  choose(size: StepSize, threadsMax: number): number {
    const choices = choicesUpTo(threadsMax);
    const sizeClass = this.#class(size);
    const untried = choices.findLast((threads) => !sizeClass.byThreads.has(threads));
    if (untried !== undefined) return untried;
    const best = this.#best(sizeClass, choices);
    if (sizeClass.untilProbe > 0 || choices.length === 1) return best;
    const others = choices.filter((threads) => threads !== best);
    const steps = (threads: number) => sizeClass.byThreads.get(threads)?.steps ?? 0;
    return others.toSorted((a, b) => steps(a) - steps(b))[0] ?? best;
  }

  /** What a step took with so many threads. */
  learn(size: StepSize, threads: number, ms: number): void {
    const sizeClass = this.#class(size);
    const { byThreads } = sizeClass;
    const msPerToken = ms / Math.max(1, size.tokens);
    const known = byThreads.get(threads);
    if (known === undefined) {
      byThreads.set(threads, { msPerToken, steps: 1 });
      return;
    }
    const best = this.#best(sizeClass, [...byThreads.keys()]);
    const contended = threads === best && msPerToken > contendedFactor * known.msPerToken;
    known.msPerToken += newestWeight * (msPerToken - known.msPerToken);
    known.steps++;
    if (threads !== best) {
      const slower = known.msPerToken / (byThreads.get(best)?.msPerToken ?? known.msPerToken);
      sizeClass.untilProbe = Math.min(probeEvery.max, Math.round(probeEvery.min * Math.max(1, slower) ** 2));
    } else if (contended) sizeClass.untilProbe = 0;
    else sizeClass.untilProbe--;
  }

  #best({ byThreads }: SizeClass, choices: readonly number[]): number {
    let best = choices[0] ?? 1;
    for (const threads of choices) {
      const time = byThreads.get(threads)?.msPerToken ?? Number.POSITIVE_INFINITY;
      if (time < (byThreads.get(best)?.msPerToken ?? Number.POSITIVE_INFINITY)) best = threads;
    }
    return best;
  }

  /** Sizes within a factor of two share their measurements: at most a dozen classes of each kind. */
  #class({ kind, tokens }: StepSize): SizeClass {
    const key = `${kind} ${Math.floor(Math.log2(Math.max(1, tokens)))}`;
    let found = this.#classes.get(key);
    if (found === undefined) {
      found = { byThreads: new Map(), untilProbe: probeEvery.min };
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
