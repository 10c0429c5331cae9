import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Checksum, frameHead } from '@tercet/collection';
import { TercetError } from '@tercet/contracts';

export const checksum: Checksum = (bytes) => crc32(bytes);

/** Appends a frame. @returns its bytes @throws disk_full, store_unavailable; then parts of it may be there */
export async function writeFrame(file: FileHandle, content: Uint8Array, at: number): Promise<number> {
  const head = frameHead(content, checksum);
  await asOurs(writeAll(file, [head, content], at));
  return head.byteLength + content.byteLength;
}

/** Makes the names in a folder durable: files that were made, renamed or taken away in it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts a finished file in the place of another, at once and durably. */
export async function replaceFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** What the operating system refused, with a code. @throws disk_full, store_unavailable */
export async function asOurs<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const { code = '', path } = cause as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new TercetError(isFull ? 'disk_full' : 'store_unavailable', { reason: code, path }, { cause });
  }
}

async function writeAll(file: FileHandle, parts: readonly Uint8Array[], at: number): Promise<void> {
  let position = at;
  for (const part of parts) {
    for (let done = 0; done < part.byteLength; ) {
      const { bytesWritten } = await file.write(part, done, part.byteLength - done, position);
      done += bytesWritten;
      position += bytesWritten;
    }
  }
}
