import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { zipOf } from './testing/zip-writer.js';
import { readZipEntry } from './zip-entry.js';

const bytes = (value: string) => new TextEncoder().encode(value);
const zip = zipOf({ 'a.txt': bytes('first'), 'b/c.txt': bytes('second '.repeat(9000)), empty: bytes('') }, ['a.txt']);
let folder: string;
const fileOf = (content: Uint8Array) => {
  const path = join(folder, 'x.whl');
  writeFileSync(path, content);
  return path;
};
async function read(content: Uint8Array, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readZipEntry(fileOf(content), name)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-zip-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  { name: 'a.txt', expected: 'first' },
  { name: 'b/c.txt', expected: 'second '.repeat(9000) },
  { name: 'empty', expected: '' },
])('the entry $name is read, packed or not', async ({ name, expected }) => {
  expect((await read(zip, name)) === expected).toBe(true);
});

test('an entry that is not there is a failure that names it', async () => {
  await expect(read(zip, 'b')).rejects.toThrow('the wheel has no file b');
});

test('a ZIP cut anywhere is refused or read, and never anything else', async () => {
  for (let length = 0; length < zip.length; length += 7) {
    const failure = await read(zip.subarray(0, length), 'a.txt').catch((error) => error);
    expect([length, failure.message]).toEqual([length, 'the wheel is not a ZIP file that can be read']);
  }
});

test.each([
  { name: 'a.txt', at: 36 },
  { name: 'b/c.txt', at: 110 },
])('damage in $name is seen', async ({ name, at }) => {
  const damaged = Uint8Array.from(zip);
  damaged[at]! ^= 0xff;
  await expect(read(damaged, name)).rejects.toThrow(`${name} in the wheel is damaged`);
});
