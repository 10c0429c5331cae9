import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chunksOf } from './chunks.js';

const wordsIn = (text: string) => text.split(/\s+/).filter((word) => word !== '');
const plain = { words: 8, isMarkdown: false };

describe('passages', () => {
  test('paragraphs stay together while they fit', () => {
    const chunks = chunksOf('one two three\n\nfour five\n\nsix seven eight nine', plain);
    expect(chunks.map(({ text }) => text)).toEqual(['one two three\n\nfour five', 'six seven eight nine']);
  });

  test('a long paragraph is cut between sentences, a long sentence between words', () => {
    const text = 'One two three four five. Six seven eight nine. a b c d e f g h i j';
    expect(chunksOf(text, plain).map((chunk) => chunk.text)).toEqual([
      'One two three four five.',
      'Six seven eight nine.',
      'a b c d e f g h',
      'i j',
    ]);
  });

  test('headings of Markdown begin a passage and stand beside it, those in code do not', () => {
    const text = '# Guide\nIntro.\n\n## Keys\nRenew them.\n\n```\n# no heading\n```\n\n# Other\nEnd.';
    expect(chunksOf(text, { words: 20, isMarkdown: true })).toEqual([
      { heading: 'Guide', text: 'Intro.' },
      { heading: 'Guide › Keys', text: 'Renew them.\n\n```\n# no heading\n```' },
      { heading: 'Other', text: 'End.' },
    ]);
  });

  test('no word is lost, and no passage has too many', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'bc.', 'd!', '\n', '\n\n', 'e'), { maxLength: 80 }), (parts) => {
        const text = parts.join(' ');
        const chunks = chunksOf(text, plain);
        expect(chunks.flatMap((chunk) => wordsIn(chunk.text))).toEqual(wordsIn(text));
        expect(chunks.every((chunk) => wordsIn(chunk.text).length <= plain.words)).toBe(true);
      }),
    ));
});
