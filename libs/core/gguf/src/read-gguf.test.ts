import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import { readGguf } from './read-gguf.js';
import { type GgufContent, writeGguf } from './write-gguf.js';

const content: GgufContent = {
  metadata: {
    'general.architecture': 'llama',
    'general.alignment': 32,
    'llama.block_count': 2,
    'llama.eps': 0.5,
    'tokenizer.add_bos': true,
    'tokenizer.tokens': ['a', 'b', '▁c'],
    'tokenizer.scores': [0.5, 1.5],
    nested: [[1, 2], [3]],
  },
  tensors: [
    { name: 'first', shape: [3], values: Float32Array.of(1, 2, 3) },
    { name: 'second', shape: [4, 2], values: new Float32Array(8).fill(7) },
    { name: 'large', shape: [64, 64], values: new Float32Array(4096).fill(1) },
  ],
};
const file = writeGguf(content);

describe('readGguf', () => {
  test('what was written comes back: metadata, shapes and bytes', () => {
    const gguf = read(file);
    expect(Object.fromEntries(gguf.metadata)).toEqual(content.metadata);
    for (const { name, shape, values } of content.tensors) {
      const tensor = gguf.tensors.get(name);
      expect(tensor).toMatchObject({ name, shape, bytes: values.byteLength, type: 0 });
      const offset = tensor?.offset ?? 0;
      expect(new Float32Array(file.slice(offset, offset + values.byteLength).buffer)).toEqual(values);
    }
  });

  test('a file that ends anywhere too early is refused', () => {
    const lengths = new Set(Array.from({ length: Math.ceil(file.length / 4096) }, (_, i) => i * 4096));
    for (let length = 0; length < 1024; length++) lengths.add(length);
    lengths.add(file.length - 1);
    for (const length of lengths) expect(codeOf(file.subarray(0, length))).toBe('model_file_invalid');
  });

  test.each([
    { what: 'another magic', at: 0, bytes: [0x67] },
    { what: 'an unknown version', at: 4, bytes: [9] },
    { what: 'more tensors than the file has bytes', at: 8, bytes: [0xff, 0xff, 0] },
    { what: 'a tensor count beyond 2^53', at: 8, bytes: [1, 0, 0, 0, 0, 0, 0, 0xff] },
    { what: 'more metadata than is there', at: 16, bytes: [9] },
    { what: 'a key as long as the file', at: 24, bytes: [0xff, 0xff, 0] },
    { what: 'a value type that does not exist', at: at('llama'), back: 12, bytes: [99] },
    { what: 'a tensor of rank 0', at: at('first') + 5, bytes: [0] },
    { what: 'a tensor of rank 5', at: at('first') + 5, bytes: [5] },
    { what: 'a width of 0', at: at('first') + 9, bytes: [0] },
    { what: 'a width beyond the file', at: at('first') + 9, bytes: [0, 0, 0, 0, 1] },
    { what: 'a width beyond 2^53', at: at('first') + 9, bytes: [0, 0, 0, 0, 0, 0, 0, 1] },
    { what: 'an element type that does not exist', at: at('first') + 17, bytes: [200] },
    { what: 'blocks that do not fill a row', at: at('first') + 17, bytes: [12] },
    { what: 'an offset that is not aligned', at: at('first') + 21, bytes: [1] },
    { what: 'an offset in another tensor', at: at('first') + 21, bytes: [32] },
    { what: 'an offset behind the file', at: at('first') + 21, bytes: [0, 0, 0, 0, 0, 1] },
  ])('$what is refused', ({ at: position, back = 0, bytes }) => {
    const lying = file.slice();
    lying.set(bytes, position - back);
    expect(codeOf(lying)).toBe('model_file_invalid');
  });

  test.each([0, 1, 4, 12, 33, 1e6, 2.5, -8])('an alignment of %d is refused', (alignment) => {
    const metadata = { ...content.metadata, 'general.alignment': alignment };
    expect(codeOf(writeGguf({ ...content, metadata }))).toBe('model_file_invalid');
  });

  test('bytes of any kind give a file or a refusal, and no read outside', () => {
    const header = file.length - 4096 * 4;
    const anyChanges = fc.array(fc.tuple(fc.nat({ max: header }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    const property = fc.property(anyChanges, (changes) => {
      const fuzzed = file.slice();
      for (const [position, byte] of changes) fuzzed[position] = byte;
      expect(['read', 'model_file_invalid']).toContain(codeOf(fuzzed));
    });
    fc.assert(property, { numRuns: 1000 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(codeOf(Uint8Array.from([...file.subarray(0, 24), ...noise]))).toBe('model_file_invalid');
      }),
    );
  });
});

describe('numbers of a model file', () => {
  const gguf = read(writeGguf({ metadata: { five: 5, half: 0.5, text: 'x', zero: 0, less: -1.5 }, tensors: [] }));

  test('a count is whole, positive and bounded', () => {
    expect([gguf.requireCount('five', 5), gguf.countOr('absent', 7, 5)]).toEqual([5, 7]);
    const refused = ['half', 'text', 'zero', 'less', 'absent'].map((key) => () => gguf.requireCount(key, 9));
    for (const call of [...refused, () => gguf.requireCount('five', 4), () => gguf.countOr('half', 1, 9)]) {
      expect(call).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
    }
  });

  test('a positive number is finite and greater than 0', () => {
    expect([gguf.positiveOr('half', 1), gguf.positiveOr('absent', 2)]).toEqual([0.5, 2]);
    for (const key of ['zero', 'less', 'text']) {
      expect(() => gguf.positiveOr(key, 1)).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
    }
  });
});

function read(bytes: Uint8Array) {
  return readGguf({
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.length) throw new Error('read outside the file');
      return bytes.subarray(offset, offset + length);
    },
  });
}

/** `read`, or the code of the refusal; any other error is thrown. */
function codeOf(bytes: Uint8Array): string {
  try {
    read(bytes);
    return 'read';
  } catch (error) {
    if (error instanceof TercetError) return error.code;
    throw error;
  }
}

function at(text: string): number {
  return Buffer.from(file).indexOf(text);
}
