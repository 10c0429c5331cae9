import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { readGguf, writeGguf } from '@tercet/gguf';
import { type Tokenizer, tokenizerOf } from './tokenizer.js';

interface Golden {
  readonly tokens: string[];
  readonly merges: string[];
  /** By pattern, one for each line of the corpus; null: the reference does not know one of its characters yet. */
  readonly digests: Readonly<Record<string, (string | null)[]>>;
}

const corpus = read<string[]>('corpus');
const scripts = read<Record<string, string>>('scripts');
const golden = read<Golden>('byte-pair');

describe('byte-level BPE with a small vocabulary', () => {
  test.each(Object.entries(golden.digests))('%s: ids equal those of the tokenizers library', (pre, digests) => {
    const tokenizer = tokenizerWith(pre);
    const wrong = corpus.filter((line, index) => {
      const reference = digests[index];
      return reference !== null && digest(plain(tokenizer, line)) !== reference;
    });
    expect(wrong).toEqual([]);
    expect(digests).toHaveLength(corpus.length);
    expect(digests.filter((reference) => reference === null).length).toBeLessThan(20);
  });

  test('each pattern cuts its own way', () => {
    const ids = Object.keys(golden.digests).map((pre) => digest(plain(tokenizerWith(pre), "it's 1234567 (yes)\n\n x")));
    expect(new Set(ids).size).toBe(3);
  });
});

describe('the corpus', () => {
  test('has two letters, or signs where there are no letters, of every script', () => {
    for (const [script, line] of Object.entries(scripts)) {
      const found = new Set(line.match(new RegExp(`\\p{Script=${script}}`, 'gu')));
      expect({ script, enough: found.size >= 2 }).toEqual({ script, enough: true });
      expect(corpus).toContain(line);
    }
    const known = [...Object.keys(scripts), 'Zyyy', 'Zinh'].map((script) => `\\p{Script=${script}}`).join('');
    const strange = new RegExp(`[^${known}\\p{Cn}\\p{Co}\\p{Cs}]`, 'gu');
    const all = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code)).join('');
    expect(all.match(strange)).toBeNull();
  });

  test.each([
    { kind: 'a picture of each block', pattern: /^(?=.*🌀)(?=.*😀)(?=.*🚀)(?=.*🤌)(?=.*🩰)(?=.*☀)(?=.*✂)/su },
    { kind: 'a flag by letters', pattern: /🇩🇪🇪🇺/u },
    { kind: 'a flag by tags', pattern: /🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}/u },
    { kind: 'a keycap', pattern: /#\u{FE0F}\u{20E3}/u },
    { kind: 'every tone of skin', pattern: /✋🏻✋🏼✋🏽✋🏾✋🏿/u },
    { kind: 'joined people', pattern: /👨‍👩‍👧‍👦/u },
    { kind: 'joined people of two tones', pattern: /🧑🏻‍❤️‍🧑🏿/u },
    { kind: 'a picture shown as text', pattern: /❤\u{FE0E}/u },
  ])('has $kind', ({ pattern }) => {
    expect(corpus.join('')).toMatch(pattern);
  });
});

function tokenizerWith(pre: string): Tokenizer {
  const { tokens, merges } = golden;
  const metadata = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.merges': merges,
  };
  const bytes = writeGguf({ metadata, tensors: [] });
  return tokenizerOf(
    readGguf({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }),
  );
}

function plain(tokenizer: Tokenizer, text: string): number[] {
  return tokenizer.encode([{ text, trusted: false }]);
}

function digest(ids: readonly number[]): string {
  return createHash('sha256').update(ids.join(',')).digest('hex').slice(0, 12);
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../testdata/${name}.json`, import.meta.url), 'utf8')) as T;
}
