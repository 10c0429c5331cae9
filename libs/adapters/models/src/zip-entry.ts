import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { SourceFailure } from './failures.js';

// Reads one entry of a ZIP file through its central directory (APPNOTE 4.3.12-4.3.16), ZIP64 included.
const endSignature = 0x06054b50;
const end64Locator = 0x07064b50;
const end64Signature = 0x06064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const endSearchBytes = endBytes + 65_535;

interface Directory {
  readonly offset: number;
  readonly bytes: number;
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

/**
 * Bytes of the entry `name`, unpacked and checked while they are read.
 * @throws SourceFailure when there is no such entry, the file is no ZIP, or the bytes are damaged
 */
export async function* readZipEntry(path: string, name: string): AsyncGenerator<Buffer> {
  const { entry, start } = await openEntry(path, name);
  if (entry.bytes === 0) return;
  const packed = createReadStream(path, { start, end: start + entry.packedBytes - 1, highWaterMark: 1 << 20 });
  let crc = 0;
  let done = 0;
  try {
    for await (const chunk of unpacked(packed, entry.method) as AsyncIterable<Buffer>) {
      crc = crc32(chunk, crc);
      done += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw new SourceFailure(`${name} in the wheel is damaged`, 'no', { cause });
  }
  if (crc !== entry.crc || done !== entry.bytes) throw new SourceFailure(`${name} in the wheel is damaged`, 'no');
}

async function openEntry(path: string, name: string): Promise<{ entry: Entry; start: number }> {
  const handle = await open(path, 'r');
  try {
    const entry = await findEntry(handle, name);
    const head = await readAt(handle, entry.headerOffset, 30);
    check(head.readUInt32LE(0) === localSignature);
    return { entry, start: entry.headerOffset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28) };
  } finally {
    await handle.close();
  }
}

function unpacked(packed: Readable, method: number): Readable {
  if (method === 0) return packed;
  check(method === 8);
  const inflate = createInflateRaw({ chunkSize: 1 << 18 });
  pipeline(packed, inflate, () => {}); // a failure destroys `inflate`, and whoever reads it sees the error
  return inflate;
}

async function findEntry(handle: FileHandle, name: string): Promise<Entry> {
  const directory = await readDirectory(handle);
  const bytes = await readAt(handle, directory.offset, directory.bytes);
  for (let at = 0; at + 46 <= bytes.length; ) {
    check(bytes.readUInt32LE(at) === entrySignature);
    const [nameBytes, extraBytes, noteBytes] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const nameAt = at + 46;
    const extraAt = nameAt + nameBytes!;
    if (bytes.toString('utf8', nameAt, extraAt) === name) {
      return entryOf(name, bytes.subarray(at, nameAt), bytes.subarray(extraAt, extraAt + extraBytes!));
    }
    at = extraAt + extraBytes! + noteBytes!;
  }
  throw new SourceFailure(`the wheel has no file ${name}`, 'no');
}

/** Fields that are all ones stand in the ZIP64 extra field, in this order. */
function entryOf(name: string, head: Buffer, extra: Buffer): Entry {
  const wide = zip64Of(extra);
  let next = 0;
  const field = (at: number) => {
    const value = head.readUInt32LE(at);
    if (value !== 0xffffffff) return value;
    const wideValue = Number(wide.readBigUInt64LE(next));
    next += 8;
    return wideValue;
  };
  const [bytes, packedBytes, headerOffset] = [field(24), field(20), field(42)] as const;
  const [method, crc] = [head.readUInt16LE(10), head.readUInt32LE(16)];
  return { name, method, crc, packedBytes, bytes, headerOffset };
}

function zip64Of(extra: Buffer): Buffer {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1) return extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
  }
  return Buffer.alloc(24);
}

async function readDirectory(handle: FileHandle): Promise<Directory> {
  const { size } = await handle.stat();
  const tailStart = Math.max(0, size - endSearchBytes);
  const tail = await readAt(handle, tailStart, size - tailStart);
  let at = tail.length - endBytes;
  while (at >= 0 && tail.readUInt32LE(at) !== endSignature) at--;
  check(at >= 0);
  const offset = tail.readUInt32LE(at + 16);
  if (offset !== 0xffffffff) return { offset, bytes: tail.readUInt32LE(at + 12) };
  check(at >= 20 && tail.readUInt32LE(at - 20) === end64Locator);
  const end64 = await readAt(handle, Number(tail.readBigUInt64LE(at - 12)), 56);
  check(end64.readUInt32LE(0) === end64Signature);
  return { offset: Number(end64.readBigUInt64LE(48)), bytes: Number(end64.readBigUInt64LE(40)) };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { size } = await handle.stat();
  check(position >= 0 && length >= 0 && position + length <= size);
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  check(bytesRead === length);
  return buffer;
}

function check(holds: boolean): void {
  if (!holds) throw new SourceFailure('the wheel is not a ZIP file that can be read', 'no');
}
