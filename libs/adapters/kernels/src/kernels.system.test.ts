import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { buildKernels, libraryPath } from '../../../../native/kernels/build.mjs';
import { type Kernels, loadKernels, portableKernels } from './kernels.js';
import { type NativeLibrary, tryOpenLibrary } from './library.js';

const toolchain = (await buildKernels({ quiet: true })) !== 'no-compiler';
const nativeTest = toolchain ? test : test.skip;

/** Random bytes at any alignment: a view that starts `offset` bytes into its buffer. */
const views = fc
  .record({
    bytes: fc.oneof(fc.nat(70), fc.nat(1100), fc.integer({ min: 520_000, max: 540_000 })),
    offset: fc.nat(70),
    outOffset: fc.nat(70),
    seed: fc.nat(0xffffffff),
    step: fc.integer({ min: 1, max: 255 }),
  })
  .map(({ bytes, offset, outOffset, seed, step }) => {
    const buffer = Uint8Array.from({ length: bytes + offset }, (_, at) => (at * step) ^ (at >> 7));
    const out = new Uint8Array(bytes + outOffset + 3).fill(0xa5);
    return { source: buffer.subarray(offset), out, outOffset, seed };
  });

describe('crc32 and copy', () => {
  let native: NativeLibrary | undefined;
  let kernels: Kernels;
  beforeAll(() => {
    native = tryOpenLibrary(libraryPath);
    kernels = loadKernels({ path: libraryPath });
  });

  nativeTest('the native kernel, its scalar twin and zlib agree, for every size and alignment', () => {
    if (native === undefined) throw new Error('not built');
    const { crc32, crc32Scalar } = native;
    expect(kernels.variant).not.toBe('node');
    fc.assert(
      fc.property(views, ({ source, seed }) => {
        const expected = portableKernels.crc32(source, seed);
        expect(crc32(source, source.byteLength, seed)).toBe(expected);
        expect(crc32Scalar(source, source.byteLength, seed)).toBe(expected);
        expect(kernels.crc32(source, seed)).toBe(expected);
      }),
    );
  });

  nativeTest('a copy has the same bytes and sum, and touches nothing beside it', () => {
    if (native === undefined) throw new Error('not built');
    const { copyCrc32, copyCrc32Scalar } = native;
    fc.assert(
      fc.property(views, fc.constantFrom(copyCrc32, copyCrc32Scalar), ({ source, out, outOffset, seed }, copy) => {
        const bytes = source.byteLength;
        expect(copy(out.subarray(outOffset), source, bytes, seed)).toBe(portableKernels.crc32(source, seed));
        expect(Buffer.compare(out.subarray(outOffset, outOffset + bytes), source)).toBe(0);
        const beside = [...out.subarray(0, outOffset), ...out.subarray(outOffset + bytes)];
        expect(beside.every((byte) => byte === 0xa5)).toBe(true);
      }),
    );
  });

  nativeTest('a sum of parts is the sum of the whole', () => {
    fc.assert(
      fc.property(views, fc.nat(), ({ source, seed }, cut) => {
        const at = cut % (source.byteLength + 1);
        const whole = kernels.crc32(source, seed);
        expect(kernels.crc32(source.subarray(at), kernels.crc32(source.subarray(0, at), seed))).toBe(whole);
      }),
    );
  });

  nativeTest('the largest value is where the portable twin finds it, for every size, alignment and bad value', () => {
    const value = fc.oneof(
      { weight: 50, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN) },
    );
    const lists = fc.record({
      head: fc.array(value, { maxLength: 40 }),
      // Long enough for several blocks; equal values often.
      repeats: fc.nat(120),
      offset: fc.nat(3),
    });
    fc.assert(
      fc.property(lists, ({ head, repeats, offset }) => {
        const whole = Float32Array.from({ length: offset + head.length * (1 + repeats) }, (_, i) => {
          return head[Math.max(0, i - offset) % Math.max(1, head.length)] ?? 0;
        });
        const values = whole.subarray(offset);
        expect(kernels.largest(values)).toBe(portableKernels.largest(values));
      }),
    );
  });

  test.each([
    { name: 'the lowest of equal ones', values: [1, 3, 3, 2], index: 1 },
    { name: 'below zero', values: [Number.NEGATIVE_INFINITY, -2, -1], index: 2 },
    { name: 'no number', values: [1, Number.NaN, 2], index: -1 },
    { name: 'infinity', values: [1, Number.POSITIVE_INFINITY], index: -1 },
    { name: 'nothing but minus infinity', values: [Number.NEGATIVE_INFINITY], index: -1 },
    { name: 'none', values: [], index: -1 },
  ])('the largest value: $name', ({ values, index }) => {
    for (const each of [kernels, portableKernels]) expect(each.largest(Float32Array.from(values))).toBe(index);
  });

  test.each([
    { text: '', crc: 0 },
    { text: '123456789', crc: 0xcbf43926 },
  ])('check value of "$text"', ({ text, crc }) => {
    expect(kernels.crc32(Buffer.from(text), 0)).toBe(crc);
    expect(portableKernels.crc32(Buffer.from(text), 0)).toBe(crc);
  });

  test('a copy into too little room is refused', () => {
    for (const each of [kernels, portableKernels]) {
      expect(() => each.copyCrc32(new Uint8Array(3), new Uint8Array(4), 0)).toThrow('copy of 4 bytes into 3');
    }
  });

  test('without the library the portable twins serve', () => {
    expect(loadKernels({ path: '/nowhere/libtercet_kernels.so' }).variant).toBe('node');
  });
});
