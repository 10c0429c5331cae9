import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { frameHead, readFrame } from './frame.js';

const checksum = (bytes: Uint8Array) => crc32(bytes);
const anyContents = fc.array(fc.uint8Array({ minLength: 0, maxLength: 60 }), { minLength: 1, maxLength: 5 });

function fileOf(contents: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(contents.flatMap((content) => [frameHead(content, checksum), content]));
}

/** Contents that can be read, and how the file ends. */
function read(file: Uint8Array): { contents: Uint8Array[]; end: string } {
  const contents: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const found = readFrame(file, at, checksum);
    if (found.kind !== 'frame') return { contents, end: found.kind };
    contents.push(found.content);
    at = found.next;
  }
}

const plain = (contents: readonly Uint8Array[]) => contents.map((content) => [...content]);

describe('frames', () => {
  test('what was written is read', () =>
    fc.assert(
      fc.property(anyContents, (contents) => {
        const { contents: found, end } = read(fileOf(contents));
        expect([plain(found), end]).toEqual([plain(contents), 'end']);
      }),
    ));

  test('a file that was cut has its whole frames, and a torn one', () =>
    fc.assert(
      fc.property(anyContents, fc.nat(), (contents, cut) => {
        const file = fileOf(contents);
        const { contents: found, end } = read(file.subarray(0, cut % file.length));
        expect(plain(found)).toEqual(plain(contents.slice(0, found.length)));
        expect(['torn', 'end']).toContain(end);
        expect(found.length).toBeLessThan(contents.length);
      }),
    ));

  test('no changed byte goes unnoticed', () =>
    fc.assert(
      fc.property(anyContents, fc.nat(), fc.integer({ min: 1, max: 255 }), (contents, at, change) => {
        const file = Uint8Array.from(fileOf(contents));
        const where = at % file.length;
        file[where] = (file[where] as number) ^ change;
        const { contents: found, end } = read(file);
        expect(plain(found)).toEqual(plain(contents.slice(0, found.length)));
        expect([found.length < contents.length, end]).toEqual([true, 'damaged']);
      }),
    ));

  test('a last frame with a block that was never written is torn, one in the middle is damaged', () => {
    const content = new Uint8Array(3000).fill(7);
    const file = Uint8Array.from(fileOf([content, content]));
    const unwritten = (at: number) => Uint8Array.from(file).fill(0, at, at + 1100);
    expect(read(unwritten(4000))).toMatchObject({ contents: { length: 1 }, end: 'torn' });
    expect(read(unwritten(1000))).toMatchObject({ contents: { length: 0 }, end: 'damaged' });
  });
});
