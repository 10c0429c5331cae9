import { expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { Grammars } from './grammars.js';

const vocabSize = 262_144;
const endOfText = 0;
/** All bytes, and words as tokenizers have them: after a space, with marks, in several scripts. */
function largeVocabulary(): Uint8Array[] {
  const random = new Prng(1);
  const utf8 = new TextEncoder();
  const scripts = [0x61, 0x61, 0x61, 0x61, 0x430, 0x3b1, 0x4e00, 0xac00, 0x905];
  const marks = ['.', ',', '-', '"', '":', '",', '{', '\\', '\n'];
  const words = new Set<string>();
  while (words.size < vocabSize - 257) {
    const script = scripts[random.nextBelow(scripts.length)] as number;
    const letters = Array.from({ length: 1 + random.nextBelow(9) }, () => script + random.nextBelow(26));
    const space = random.nextBelow(2) === 0 ? ' ' : '';
    const mark = random.nextBelow(20) === 0 ? marks[random.nextBelow(marks.length)] : '';
    words.add(space + String.fromCodePoint(...letters) + mark);
  }
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  return [new Uint8Array(0), ...bytes, ...Array.from(words, (word) => utf8.encode(word))];
}

const schema = JSON.stringify({
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 60 },
    tags: { type: 'array', items: { type: 'string' }, minItems: 2 },
    kind: { enum: ['red', 'green'] },
    size: { type: 'integer', minimum: 0, maximum: 400 },
  },
  required: ['name', 'tags', 'kind', 'size'],
});

const tokens = largeVocabulary();
const vocabulary = {
  vocabSize,
  tokenBytes: (tokenId: number) => tokens[tokenId] as Uint8Array,
  endOfTextTokenIds: new Set([endOfText]),
};

test('a string within a schema looks at few of 262,144 tokens, and once', () => {
  const grammar = new Grammars(vocabulary).grammarOf(schema);
  let state = grammar.states.start;
  for (const byte of new TextEncoder().encode('{"name":"a')) {
    state = grammar.states.step(state, byte) ?? state;
  }
  const ranges = grammar.rangesAfter(state);
  expect(grammar.rangesAfter(state)).toBe(ranges);
  expect(ranges.count).toBeGreaterThan(vocabSize / 2);
  // What the bounds of time stand on: few nodes are looked at for a new state, none for a known one.
  expect(ranges.visited).toBeLessThan(grammar.vocabulary.trie.nodeCount / 3);
});
