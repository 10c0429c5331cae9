import { describe, expect, test } from '@jest/globals';
import { readGguf } from '@tercet/gguf';
import { bertGguf } from './bert-gguf.js';
import { savedBert } from './testing/saved-bert.js';

const read = (bytes: Uint8Array) =>
  readGguf({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) });

describe('a BERT model that transformers saved', () => {
  test('becomes a GGUF file with its vocabulary and the same weights', () => {
    const made = bertGguf(savedBert());
    const gguf = read(made);
    expect(gguf.requireString('general.architecture')).toBe('bert');
    expect(gguf.requireArray('tokenizer.ggml.tokens')).toEqual([
      ...['[PAD]', '[unused0]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '\u2581[', '\u2581word', 's'],
    ]);
    const up = gguf.tensors.get('blk.0.ffn_up.weight');
    if (up === undefined) throw new Error('no such tensor');
    expect(up.shape).toEqual([2, 4]);
    const bytes = made.slice(up.offset, up.offset + 4 * 8);
    const first = 18 + 16 + 4 + 2 + 2 + 4 * (4 + 2) + 2 + 2;
    expect([...new Float32Array(bytes.buffer)]).toEqual(Array.from({ length: 8 }, (_, i) => first + i));
  });

  test('that lies in a larger buffer is read alone', () => {
    const saved = savedBert();
    const larger = Buffer.concat([Buffer.alloc(3), saved.weights, Buffer.alloc(1000)]);
    const weights = larger.subarray(3, 3 + saved.weights.length);
    expect(bertGguf({ ...saved, weights })).toEqual(bertGguf(saved));
  });

  test.each([
    { what: 'lacks a tensor', saved: savedBert({ without: 'encoder.layer.0.output.dense.bias' }) },
    { what: 'is of another kind', saved: { ...savedBert(), config: '{"model_type":"gpt2"}' } },
    { what: 'has no classifier token', saved: { ...savedBert(), vocab: '[UNK]\n[SEP]\n[PAD]\n' } },
    { what: 'ends early', saved: { ...savedBert(), weights: savedBert().weights.subarray(0, -1) } },
    { what: 'is empty', saved: { ...savedBert(), weights: new Uint8Array(0) } },
    { what: 'has a configuration that is no JSON', saved: { ...savedBert(), config: '{' } },
  ])('that $what is refused', ({ saved }) => {
    expect(() => bertGguf(saved)).toThrow(expect.objectContaining({ name: 'SourceFailure' }));
  });
});
