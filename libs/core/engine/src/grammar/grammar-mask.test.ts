import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import type { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { createSamplerFactory } from '../sampling/index.js';
import { contextOf } from '../sampling/testing.js';
import { checkGrammar } from './compile-grammar.js';
import { GrammarMask } from './grammar-mask.js';
import { Grammars } from './grammars.js';
import { testVocabulary } from './testing-vocabulary.js';
import { notPlain, tokenTrieOf } from './token-trie.js';

const vocabulary = testVocabulary();
const { vocabSize, endOfText, textOf } = vocabulary;
const samplerOf = createSamplerFactory(vocabulary);
const grammars = new Grammars(vocabulary);

/** Random logits that, after `calmAfter` tokens, prefer what closes. */
function randomLogits(random: Prng, step: number, calmAfter: number): Float32Array {
  const logits = Float32Array.from({ length: vocabSize }, () => random.nextFloat() * 6);
  if (step < calmAfter) return logits;
  const liking: Readonly<Record<string, number>> = {
    ...{ '"': 50, '}': 24, ']': 24, '@': 30, ' ': 30, '.': 16, n: 14, t: 14, '0': 6, '1': 6 },
    ...{ '{': -9, '[': -9, ',': -9 },
  };
  for (let tokenId = 0; tokenId < 256; tokenId++) {
    const extra = liking[String.fromCharCode(tokenId)];
    if (extra !== undefined) (logits[tokenId] as number) += extra;
  }
  (logits[endOfText] as number) += 60;
  return logits;
}

function randomText(grammar: string, seed: number, calmAfter = 40): number[] {
  const sampler = samplerOf(contextOf({ grammar, seed: BigInt(seed) }));
  const random = new Prng(seed);
  const tokenIds: number[] = [];
  while (tokenIds.length < 4000) {
    const { tokenId } = sampler.sample(randomLogits(random, tokenIds.length, calmAfter), tokenIds.length);
    if (tokenId === endOfText) return tokenIds;
    tokenIds.push(tokenId);
  }
  throw new Error(`no end: ${textOf(tokenIds).slice(0, 500)}`);
}

const leaf = fc.oneof(
  fc.constantFrom<object>(
    { type: 'string' },
    { type: 'integer' },
    { type: 'number' },
    { type: 'boolean' },
    { type: 'null' },
  ),
  fc.constantFrom<object>(
    { enum: ['a', 'ab', 3, null, 'é"'] },
    { const: { a: [1, 'x'] } },
    { type: ['string', 'null'] },
    {},
  ),
  fc.constantFrom<object>(
    { type: 'string', pattern: '^[a-c]{1,3}-\\d+$' },
    { type: 'string', pattern: 'ab|\\s.$' },
    { type: 'string', pattern: '[0-9]', minLength: 3, maxLength: 8 },
    { type: 'string', format: 'date', pattern: '[13579]$' },
    { type: ['integer', 'boolean'], format: 'int32' },
    { type: 'string', format: 'date-time' },
    { type: 'string', format: 'email' },
    { type: 'string', format: 'ipv4' },
    { type: 'string', format: 'uuid' },
    { type: 'string', format: 'hostname' },
    { type: 'string', format: 'uri', minLength: 1, maxLength: 2083 },
    { type: 'string', format: 'duration' },
    { type: 'string', format: 'ipv6' },
  ),
  fc.record({ type: fc.constant('string'), minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 9 }) }),
  fc
    .record(
      { minimum: fc.integer({ min: -1200, max: 40 }), maximum: fc.integer({ min: 40, max: 12_000 }) },
      { requiredKeys: [] },
    )
    .map((bounds) => ({ type: 'integer', ...bounds })),
  fc
    .tuple(fc.double({ min: -50, max: 50, noNaN: true }), fc.double({ min: 0.01, max: 90, noNaN: true }), fc.boolean())
    .map(([low, width, exclusive]) => {
      const names = exclusive ? ['exclusiveMinimum', 'exclusiveMaximum'] : ['minimum', 'maximum'];
      return { type: 'number', [names[0] as string]: low, [names[1] as string]: low + width };
    }),
);

const name = fc.constantFrom('a', 'ab', 'abc', 'name', 'é', 'q"', 'b\\', '');

const { schema: anySchema } = fc.letrec<{ schema: object; inner: object; object: object; names: object }>((tie) => ({
  object: fc
    .tuple(
      fc.uniqueArray(fc.tuple(name, tie('inner'), fc.boolean()), { selector: ([key]) => key, maxLength: 4 }),
      fc.oneof(tie('inner'), fc.boolean(), fc.constant(undefined)),
    )
    .map(([members, additional]) => ({
      type: 'object',
      properties: Object.fromEntries(members.map(([key, value]) => [key, value])),
      required: members.filter(([, , isRequired]) => isRequired).map(([key]) => key),
      ...(additional === undefined ? {} : { additionalProperties: additional }),
    })),
  names: fc.constantFrom<object>({ type: 'string' }, { pattern: '^[a-z]' }, { enum: ['x', 'y'] }, { maxLength: 2 }),
  inner: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('schema')),
  schema: fc.oneof(
    leaf,
    fc
      .record(
        { items: tie('inner'), minItems: fc.nat(2), maxItems: fc.integer({ min: 2, max: 5 }) },
        { requiredKeys: [] },
      )
      .map((rest) => ({ type: 'array', ...rest })),
    fc.record({ prefixItems: fc.array(tie('inner'), { minLength: 1, maxLength: 3 }), items: fc.constant(false) }),
    tie('object'),
    fc.record({ anyOf: fc.array(tie('inner'), { minLength: 1, maxLength: 3 }) }),
    fc.tuple(tie('object'), tie('object')).map((allOf) => ({ allOf })),
    fc.tuple(tie('object'), tie('object')).map(([one, other]) => ({ ...one, anyOf: [other, { minProperties: 1 }] })),
    fc.record({ type: fc.constant('object'), additionalProperties: tie('inner'), propertyNames: tie('names') }),
  ),
}));

function isSupported(schema: object): boolean {
  try {
    checkGrammar(JSON.stringify(schema));
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'grammar_unsupported' });
    return false;
  }
}

describe('masked sampling', () => {
  const ajv = new Ajv2020({ strict: false });
  // Its module is CommonJS.
  (addFormats as unknown as (to: Ajv) => void)(ajv as unknown as Ajv);

  test('every text of a random schema parses and is valid', () => {
    let refused = 0;
    fc.assert(
      fc.property(anySchema, fc.nat(1_000_000), (schema, seed) => {
        if (!isSupported(schema)) {
          refused++;
          return;
        }
        const value: unknown = JSON.parse(textOf(randomText(JSON.stringify(schema), seed)));
        const isValid = ajv.validate(schema, value);
        expect([isValid, value]).toEqual([true, value]);
      }),
      { numRuns: 250 },
    );
    expect(refused).toBeLessThan(125);
  });

  test('every text of JSON mode is an object', () => {
    for (let seed = 0; seed < 200; seed++) {
      const value: unknown = JSON.parse(textOf(randomText('json', seed)));
      expect(value).toEqual(expect.any(Object));
      expect(Array.isArray(value)).toBe(false);
    }
  });

  test('a tool call has a name and arguments that fit each other', () => {
    const tools = {
      get_weather: {
        type: 'object',
        properties: { city: { type: 'string' }, unit: { enum: ['c', 'f'] } },
        required: ['city'],
      },
      add: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] },
      now: { type: 'object', properties: {} },
    };
    const schema = {
      anyOf: Object.entries(tools).map(([tool, parameters]) => ({
        type: 'object',
        properties: { name: { const: tool }, arguments: { ...parameters, additionalProperties: false } },
        required: ['name', 'arguments'],
        additionalProperties: false,
      })),
    };
    const called = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const value = JSON.parse(textOf(randomText(JSON.stringify(schema), seed))) as { name: string };
      expect(ajv.validate(schema, value)).toBe(true);
      called.add(value.name);
    }
    expect([...called].sort()).toEqual(Object.keys(tools).sort());
  });

  test('a replay at any token goes on with the same text', () => {
    const grammar = JSON.stringify({ type: 'array', items: { type: 'string', maxLength: 6 }, minItems: 3 });
    const whole = randomText(grammar, 5);
    for (let generatedTokens = 0; generatedTokens < whole.length; generatedTokens++) {
      const tokenIds = Uint32Array.from(whole.slice(0, generatedTokens));
      const sampler = samplerOf(contextOf({ grammar, seed: 5n }, { tokenIds, generatedTokens }));
      const random = new Prng(5);
      for (let step = 0; step < whole.length; step++) {
        const logits = randomLogits(random, step, 40);
        if (step >= generatedTokens) expect(sampler.sample(logits, step).tokenId).toBe(whole[step]);
      }
    }
  });

  test('greedy takes the best token that the grammar allows, and bias does not get around it', () => {
    const sampler = samplerOf(contextOf({ grammar: 'json', temperature: 0, logitBias: new Map([[65, 100]]) }));
    const tokenId = sampler.sample(new Float32Array(vocabSize), 0).tokenId;
    expect(tokenId).toBe('{'.charCodeAt(0));
  });
});

describe('the mask', () => {
  function allowedAfter(mask: GrammarMask): number[] {
    const logits = new Float32Array(vocabSize);
    mask.apply(logits);
    return [...logits.keys()].filter((tokenId) => logits[tokenId] === 0);
  }

  test('allows exactly the tokens whose bytes lead on', () => {
    fc.assert(
      fc.property(anySchema, fc.nat(1_000_000), (schema, seed) => {
        if (!isSupported(schema)) return;
        const grammar = grammars.grammarOf(JSON.stringify(schema));
        const mask = new GrammarMask(grammar);
        let state = grammar.states.start;
        for (const next of randomText(JSON.stringify(schema), seed, 10).slice(0, 25)) {
          const slow: number[] = [];
          for (let tokenId = 0; tokenId < vocabSize; tokenId++) {
            const bytes = vocabulary.tokenBytes(tokenId);
            let at: typeof state | null = bytes.length === 0 ? null : state;
            for (const byte of bytes) at = at === null ? null : grammar.states.step(at, byte);
            if (at !== null || (tokenId === endOfText && state.mayEnd)) slow.push(tokenId);
          }
          expect(allowedAfter(mask)).toEqual(slow);
          mask.accept(next);
          for (const byte of vocabulary.tokenBytes(next)) state = grammar.states.step(state, byte) ?? state;
        }
      }),
      { numRuns: 40 },
    );
  });

  test('allows only the end after a whole text, also when the end is passed over', () => {
    const mask = new GrammarMask(grammars.grammarOf('{"const":1}'));
    expect(allowedAfter(mask)).toEqual(['1'.charCodeAt(0)]);
    mask.accept('1'.charCodeAt(0));
    expect(allowedAfter(mask)).toEqual([endOfText]);
    mask.accept(endOfText);
    expect(allowedAfter(mask)).toEqual([endOfText]);
  });

  test.each([
    { name: 'other text', tokenIds: [65] },
    { name: 'an early end', tokenIds: [endOfText] },
    { name: 'a token without bytes', tokenIds: [vocabSize - 3] },
    { name: 'text after the end', tokenIds: [49, endOfText, 49] },
  ])('refuses $name', ({ tokenIds }) => {
    const mask = new GrammarMask(grammars.grammarOf('{"const":1}'));
    expect(() => {
      for (const tokenId of tokenIds) mask.accept(tokenId);
    }).toThrow(expect.objectContaining({ code: 'stage_protocol' }));
  });

  test('a vocabulary without a way on is a failure, not a hang', () => {
    const digits = {
      vocabSize: 10,
      tokenBytes: (id: number) => Uint8Array.of(48 + id),
      endOfTextTokenIds: new Set<number>(),
    };
    const mask = new GrammarMask(new Grammars(digits).grammarOf('json'));
    expect(() => mask.apply(new Float32Array(10))).toThrow('grammar_dead_end');
  });

  test('texts go on when the states learnt so far are forgotten', () => {
    // Each position of a long string is a state of its own: more than are kept.
    const grammar = JSON.stringify({ type: 'array', items: { type: 'string', maxLength: 9000 }, maxItems: 2 });
    const mask = new GrammarMask(grammars.grammarOf(grammar));
    for (const tokenId of ['[', '"']) mask.accept(tokenId.charCodeAt(0));
    for (let i = 0; i < 9000; i++) mask.accept(97);
    expect(allowedAfter(mask).every((tokenId) => vocabulary.tokenBytes(tokenId)[0] === 0x22)).toBe(true);
  });

  test('alternatives that nest without a difference are refused before they fill memory', () => {
    const list = (maxItems: number) => ({ type: 'array', items: { $ref: '#' }, maxItems });
    const mask = new GrammarMask(grammars.grammarOf(JSON.stringify({ anyOf: [list(5), list(6)] })));
    expect(() => {
      for (let i = 0; i < 40; i++) mask.accept('['.charCodeAt(0));
    }).toThrow(expect.objectContaining({ code: 'grammar_unsupported' }));
  });
});

describe('the vocabulary tree', () => {
  test('holds every token under its bytes, and plain text is told apart', () => {
    const trie = tokenTrieOf(vocabSize, vocabulary.tokenBytes);
    const found = new Map<number, string>();
    const path: number[] = [];
    for (let node = 1; node < trie.nodeCount; node++) {
      path.length = (trie.depth[node] as number) - 1;
      path.push(trie.byte[node] as number);
      for (let i = trie.firstToken[node] as number; i < (trie.firstToken[node + 1] as number); i++) {
        found.set(trie.tokenIds[i] as number, path.join());
      }
      const below = trie.tokenIds.subarray(trie.firstToken[node + 1], trie.firstToken[trie.end[node] as number]);
      const rests = Array.from(below, (tokenId) => vocabulary.tokenBytes(tokenId).slice(path.length));
      const texts = rests.map((rest) => new TextDecoder().decode(rest));
      const isPlain = texts.every((text) => !/["\\\p{Cc}\ufffd]/u.test(text));
      if (trie.plainBelow[node] !== notPlain) {
        expect(isPlain).toBe(true);
        expect(trie.plainBelow[node]).toBe(Math.max(0, ...texts.map((text) => [...text].length)));
      }
    }
    for (const tokenId of trie.silentTokenIds) found.set(tokenId, '');
    const expected = Array.from({ length: vocabSize }, (_, tokenId) => vocabulary.tokenBytes(tokenId).join());
    expect(expected.map((_, tokenId) => found.get(tokenId))).toEqual(expected);
  });
});
