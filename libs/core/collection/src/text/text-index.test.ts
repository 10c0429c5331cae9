import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { Bitmap } from '../bitmap.js';
import { TextIndex } from './text-index.js';
import { languages, wordsOf } from './words.js';

describe('words', () => {
  test.each([
    ['en', 'Running SHIPS, connected!', ['run', 'ship', 'connect']],
    ['de', 'Die Häuser der Städte', ['die', 'haus', 'der', 'stadt']],
    ['fr', 'les chevaux mangeaient', ['le', 'cheval', 'mang']],
    [undefined, 'ﬁne-tuned x86_64 naïve', ['fine', 'tuned', 'x86', '64', 'naïve']],
    ['en', '東京都に住む', ['東京', '都', 'に', '住む']],
  ])('%s: %s', (language, text, expected) => {
    expect(wordsOf(text, language)).toEqual(expected);
  });

  test('every language cuts the endings of some word of its own', () => {
    const plain = { da: 'bilerne', de: 'katzen', en: 'cats', es: 'gatos', fi: 'taloissa', fr: 'chatons', it: 'gatti' };
    const more = { nl: 'katten', no: 'bilene', pt: 'gatos', ru: 'кошками', sv: 'bilarna' };
    const all: Readonly<Record<string, string>> = { ...plain, ...more };
    for (const language of languages) {
      const [stem = ''] = wordsOf(all[language] as string, language);
      expect([language, stem.length]).toEqual([language, expect.any(Number)]);
      expect(stem.length).toBeLessThan((all[language] as string).length);
    }
  });
});

describe('BM25', () => {
  const vocabulary = ['ship', 'sea', 'moon', 'star', 'wind', 'rain'];

  test('texts are ranked as the formula says, also after some are gone', () => {
    const random = new Prng(5);
    const index = new TextIndex();
    const texts = new Map<number, string[]>();
    for (let slot = 0; slot < 60; slot++) {
      const words = Array.from({ length: 1 + random.nextBelow(12) }, () => vocabulary[random.nextBelow(6)] as string);
      index.add(slot, words.join(' '));
      texts.set(slot, words);
    }
    for (let slot = 0; slot < 60; slot += 4) {
      index.delete(slot, (texts.get(slot) as string[]).join(' '));
      texts.delete(slot);
    }
    const allow = new Bitmap();
    for (const slot of texts.keys()) if (slot % 3 !== 0) allow.add(slot);
    const query = ['moon', 'rain', 'rain', 'unheard'];
    const expected = [...texts]
      .filter(([slot, words]) => slot % 3 !== 0 && query.some((word) => words.includes(word)))
      .map(([slot, words]) => ({ slot, score: bm25(query, words, [...texts.values()]) }))
      .toSorted((a, b) => b.score - a.score || a.slot - b.slot);
    const { slots, scores, candidates } = index.rank(query.join(' '), { k: 10, allow });
    expect(slots).toEqual(expected.slice(0, 10).map(({ slot }) => slot));
    expect(scores).toEqual(expected.slice(0, 10).map(({ score }) => expect.closeTo(score, 9)));
    expect(candidates).toBe(expected.length);
    expect(index.rank(query.join(' '), { k: 10, allow }).scores).toEqual(scores);
  });
});

function bm25(query: readonly string[], words: readonly string[], all: readonly (readonly string[])[]): number {
  const mean = all.reduce((sum, each) => sum + each.length, 0) / all.length;
  return query.reduce((sum, word) => {
    const texts = all.filter((each) => each.includes(word)).length;
    const times = words.filter((each) => each === word).length;
    const idf = Math.log(1 + (all.length - texts + 0.5) / (texts + 0.5));
    return sum + (idf * times * 2.2) / (times + 1.2 * (0.25 + (0.75 * words.length) / mean));
  }, 0);
}
