import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hugeBytesOf, mapFile } from './system-memory.js';

const bytes = 80 * 2 ** 20 + 12_345;
const piece = 2 ** 20;

describe('a mapped file', () => {
  let folder: string;
  let path: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tercet-map-'));
    path = join(folder, 'large');
    writeInPieces(path);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('has the bytes of the file, whichever pages it lies in', () => {
    const mapping = mapFile(path);
    try {
      expect(mapping.bytes).toBe(bytes);
      expect(Buffer.compare(new Uint8Array(mapping.view), readFileSync(path))).toBe(0);
    } finally {
      mapping.free();
    }
  });

  test('says how much of it lies in huge pages, never more than the file', () => {
    const mapping = mapFile(path);
    const again = mapFile(path);
    const huge = hugeBytesOf(mapping);
    mapping.free();
    expect(huge % (2 * 2 ** 20)).toBe(0);
    expect(huge).toBeLessThanOrEqual(bytes);
    // Who maps it later finds the same pages.
    expect(hugeBytesOf(again)).toBe(huge);
    again.free();
  });

  test('that is not there, or is empty, is refused', () => {
    expect(() => mapFile(join(folder, 'nothing'))).toThrow(expect.objectContaining({ code: 'model_file_missing' }));
    const empty = join(folder, 'empty');
    closeSync(openSync(empty, 'w'));
    expect(() => mapFile(empty)).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
  });
});

/** As a download does: small writes, which the page cache keeps in small pages. */
function writeInPieces(file: string): void {
  const fd = openSync(file, 'w');
  for (let at = 0; at < bytes; at += piece) {
    const part = Buffer.alloc(Math.min(piece, bytes - at), at / piece + 1);
    writeSync(fd, part);
  }
  fsyncSync(fd);
  closeSync(fd);
}
