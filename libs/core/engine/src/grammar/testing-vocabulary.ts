import type { GrammarTokens } from './grammars.js';

export interface TestVocabulary extends GrammarTokens {
  readonly endOfText: number;
  textOf(tokenIds: readonly number[]): string;
}

const pieces = [
  ...[
    '{"',
    '"}',
    '":',
    '": ',
    '", "',
    '"]',
    '"],',
    '}}',
    '}, {',
    '[{',
    '[]',
    '{}',
    '\\"',
    '\\u',
    '\\ud8',
    '\\n',
    '\\\\',
  ],
  ...['true', 'false', 'null', 'tru', 'nu', ' a', ' the', 'the', 'ab', '12', '34', '0.', 'e1', '-1', '00', ', ', ': '],
  ...[
    'name',
    '"name"',
    'kind',
    '"a',
    'a"',
    'x": 1',
    'é',
    'ß"',
    '😀',
    '日本',
    '日',
    ' "',
    '  ',
    '\n',
    '\n  ',
    '\t',
    'T',
    '2024-',
  ],
];

/**
 * All single bytes, pieces as tokenizers have them, some that split a character, control tokens and an id without one.
 */
export function testVocabulary(): TestVocabulary {
  const utf8 = new TextEncoder();
  const smiley = utf8.encode('😀');
  const tokens = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...pieces.map((piece) => utf8.encode(piece)),
    smiley.slice(0, 2),
    smiley.slice(1),
    Uint8Array.of(0x22, 0xe2, 0x80),
    utf8.encode('ab'),
    new Uint8Array(0),
    new Uint8Array(0),
  ];
  const endOfText = tokens.length - 1;
  const tokenBytes = (tokenId: number) => tokens[tokenId] ?? new Uint8Array(0);
  return {
    vocabSize: tokens.length + 1,
    endOfText,
    endOfTextTokenIds: new Set([endOfText]),
    tokenBytes,
    textOf: (tokenIds) => {
      const bytes = tokenIds.flatMap((tokenId) => [...tokenBytes(tokenId)]);
      return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
    },
  };
}
