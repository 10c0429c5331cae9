import type { Prng } from '@tercet/base';

const words = (
  'river stone market winter garden paper window music teacher village summer bridge morning letter kitchen forest ' +
  'captain island yellow silver quiet narrow gentle broken simple heavy early distant bright hidden wooden golden ' +
  'carries follows answers gathers builds crosses remembers watches opens repairs paints measures borrows returns ' +
  'behind beside under above without before after toward between because while although until whenever'
).split(' ');

/** A prompt that nobody sent before: so many words, which most tokenizers read as about one token each. */
export function seededPrompt(prng: Prng, wordCount: number): string {
  const chosen = Array.from({ length: wordCount }, () => words[prng.nextBelow(words.length)]);
  return `Story ${prng.nextUint32()}: ${chosen.join(' ')}`;
}

export interface Arrival {
  /** When the request is sent, from the start of the load. */
  readonly atMs: number;
  /** Text, or token ids as they are. */
  readonly prompt: string | readonly number[];
  readonly outputTokens: number;
}

export interface LoadShape {
  readonly requestsPerS: number;
  readonly durationMs: number;
  readonly promptWords: readonly [number, number];
  readonly outputTokens: readonly [number, number];
}

/** Poisson arrivals with lengths drawn evenly from their ranges; the same for the same generator state. */
export function poissonArrivals(prng: Prng, load: LoadShape): Arrival[] {
  const between = ([least, most]: readonly [number, number]) => least + prng.nextBelow(most - least + 1);
  const arrivals: Arrival[] = [];
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - prng.nextFloat()) * 1000) / load.requestsPerS;
    if (atMs >= load.durationMs) return arrivals;
    const prompt = seededPrompt(prng, between(load.promptWords));
    arrivals.push({ atMs, prompt, outputTokens: between(load.outputTokens) });
  }
}
