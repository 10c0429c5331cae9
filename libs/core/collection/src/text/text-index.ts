import type { Bitmap } from '../bitmap.js';
import { BestSlots } from '../search/best-slots.js';
import { Postings } from './postings.js';
import { wordsOf } from './words.js';

/** Saturation of repeated words, and how much a long text counts less. Robertson & Zaragoza's usual values. */
const k1 = 1.2;
const b = 0.75;

export interface RankedSlots {
  /** Best first. */
  readonly slots: readonly number[];
  readonly scores: readonly number[];
  /** Texts that have one of the words. */
  readonly candidates: number;
}

/**
 * Texts by slot, found by their words and ranked by BM25.
 * @see Robertson & Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond", equation 3.15, with the
 *   inverse document frequency of Lucene, which is never negative
 */
export class TextIndex {
  readonly #language: string | undefined;
  readonly #postings = new Map<string, Postings>();
  /** Words of each text, by slot. */
  #lengths = new Uint32Array(0);
  #texts = 0;
  #words = 0;
  /** Reused by every ranking: a score per slot, 0 between two of them. */
  #scores = new Float64Array(0);

  constructor(language?: string) {
    this.#language = language;
  }

  get size(): number {
    return this.#texts;
  }

  get bytes(): number {
    let bytes = this.#lengths.byteLength + this.#scores.byteLength;
    for (const [word, postings] of this.#postings) bytes += postings.bytes + word.length * 2 + 64;
    return bytes;
  }

  /** The slot must not hold a text. */
  add(slot: number, text: string): void {
    const words = this.wordsOf(text);
    for (const [word, times] of countsOf(words)) {
      const postings = this.#postings.get(word) ?? new Postings();
      this.#postings.set(word, postings.add(slot, times));
    }
    if (slot >= this.#lengths.length) this.#lengths = grownTo(this.#lengths, slot + 1);
    this.#lengths[slot] = words.length;
    this.#texts++;
    this.#words += words.length;
  }

  /** @param text the one that was added */
  delete(slot: number, text: string): void {
    for (const word of countsOf(this.wordsOf(text)).keys()) {
      const postings = this.#postings.get(word);
      postings?.delete(slot);
      if (postings?.size === 0) this.#postings.delete(word);
    }
    this.#texts--;
    this.#words -= this.#lengths[slot] as number;
    this.#lengths[slot] = 0;
  }

  /** Texts that have this word. */
  frequency(word: string): number {
    return this.#postings.get(word)?.size ?? 0;
  }

  wordsOf(text: string): string[] {
    return wordsOf(text, this.#language);
  }

  /** Adds the slots whose texts have the word. */
  addTo(out: Bitmap, word: string): void {
    this.#postings.get(word)?.each((slot) => out.add(slot));
  }

  /** The k texts that fit the words best, of those that may be answered with. */
  rank(words: string, { k, allow }: { readonly k: number; readonly allow: Bitmap | undefined }): RankedSlots {
    if (this.#scores.length < this.#lengths.length) this.#scores = new Float64Array(this.#lengths.length);
    const touched: number[] = [];
    for (const [word, weight] of countsOf(this.wordsOf(words))) this.#addScores(word, { weight, allow, touched });
    const best = new BestSlots(k);
    for (const slot of touched) {
      best.offer(slot, -(this.#scores[slot] as number));
      this.#scores[slot] = 0;
    }
    const [slots, distances] = [new Uint32Array(k), new Float64Array(k)];
    const count = best.drain(slots, distances);
    const scores = [...distances.subarray(0, count)].map((distance) => -distance);
    return { slots: [...slots.subarray(0, count)], scores, candidates: touched.length };
  }

  #addScores(word: string, { weight, allow, touched }: WordUse): void {
    const postings = this.#postings.get(word);
    if (postings === undefined) return;
    const idf = Math.log(1 + (this.#texts - postings.size + 0.5) / (postings.size + 0.5));
    const meanWords = this.#words / this.#texts;
    postings.each((slot, times) => {
      if (allow?.has(slot) === false) return;
      const length = (this.#lengths[slot] as number) / meanWords;
      const before = this.#scores[slot] as number;
      if (before === 0) touched.push(slot);
      this.#scores[slot] = before + (weight * idf * times * (k1 + 1)) / (times + k1 * (1 - b + b * length));
    });
  }
}

interface WordUse {
  /** How often the query says it. */
  readonly weight: number;
  readonly allow: Bitmap | undefined;
  readonly touched: number[];
}

function countsOf(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function grownTo(lengths: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(Math.max(size, lengths.length * 2, 64));
  grown.set(lengths);
  return grown;
}
