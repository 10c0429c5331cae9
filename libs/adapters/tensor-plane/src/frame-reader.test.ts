import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeHeader, encodeMessage, type FrameHeader } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { nodeKernels } from './transfer-kernels.js';

interface Seen {
  readonly frame: FrameHeader;
  readonly payload: Uint8Array;
  readonly crc: number;
}

function readAll(chunks: readonly Uint8Array[], targets: Uint8Array[] = []): Seen[] {
  const seen: Seen[] = [];
  const rangeTarget = () => targets.shift();
  const sink = {
    rangeTarget,
    frame: (frame: FrameHeader, payload: Uint8Array, crc: number) => void seen.push({ frame, payload, crc }),
  };
  const reader = new FrameReader(sink, nodeKernels);
  for (const chunk of chunks) reader.feed(chunk);
  return seen;
}

test('frames come out whole, however the stream is cut', () => {
  const bytes = fc.tuple(fc.oneof(fc.nat(40), fc.nat(40_000)), fc.nat(255)).map(([n, b]) => new Uint8Array(n).fill(b));
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 6 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 30_000 }))),
      (payloads, cuts) => {
        const stream = Buffer.concat(
          payloads.map((payload, at) => {
            const crc = nodeKernels.crc32(payload, 0);
            const header = {
              type: 'inline',
              pullId: at,
              segment: 7,
              offset: 2 ** 40,
              bytes: payload.byteLength,
              crc,
            } as const;
            return Buffer.concat([encodeHeader(header, nodeKernels), payload]);
          }),
        );
        const chunks: Uint8Array[] = [];
        for (let at = 0, cut = 0; at < stream.byteLength; cut++) {
          const size = cuts[cut] ?? stream.byteLength;
          chunks.push(stream.subarray(at, at + size));
          at += size;
        }
        const seen = readAll(chunks);
        expect(seen.length).toBe(payloads.length);
        for (const [at, { payload }] of seen.entries())
          expect(Buffer.compare(payload, payloads[at] ?? payload)).toBe(0);
        for (const { frame, crc } of seen) {
          expect(frame).toMatchObject({ type: 'inline', segment: 7, offset: 2 ** 40, crc });
        }
      },
    ),
  );
});

test('a range goes straight to its place', () => {
  const place = new Uint8Array(5);
  const payload = Uint8Array.of(1, 2, 3, 4, 5);
  const header = encodeHeader({ type: 'inline', bytes: 5, crc: nodeKernels.crc32(payload, 0) }, nodeKernels);
  const [seen] = readAll([header, payload], [place]);
  expect(seen?.payload).toBe(place);
  expect([...place]).toEqual([1, 2, 3, 4, 5]);
});

test('one flipped bit in a header or a message ends the stream, in a range it shows in the checksum', () => {
  const message = encodeMessage({ type: 'fail', pullId: 1 }, Buffer.from('hello'), nodeKernels);
  for (let bit = 0; bit < message.byteLength * 8; bit++) {
    const bad = Uint8Array.from(message);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => readAll([bad])).toThrow('the tensor could not be read');
  }
  const payload = Uint8Array.of(1, 2, 3);
  const header = encodeHeader({ type: 'inline', bytes: 3, crc: nodeKernels.crc32(payload, 0) }, nodeKernels);
  const [seen] = readAll([header, Uint8Array.of(1, 2, 7)]);
  expect(seen?.crc).not.toBe(seen?.frame.crc);
});

test('a length that no honest peer sends is refused before memory is taken', () => {
  for (const type of ['inline', 'fail'] as const) {
    const header = encodeHeader({ type, bytes: 2 ** 31 }, nodeKernels);
    expect(() => readAll([header])).toThrow('frame too large');
  }
});
