import { type FileHandle, open } from 'node:fs/promises';
import { type FrameRead, readFrame } from '@tercet/collection';
import { asOurs, checksum } from './files.js';

/** So much of a file is in memory, or one frame where that is larger. */
const windowBytes = 8 * 1024 * 1024;

export interface FrameAt {
  readonly content: Uint8Array;
  /** Where it begins, and where the next does. */
  readonly at: number;
  readonly next: number;
}

export interface FramesEnd {
  readonly how: Exclude<FrameRead, { kind: 'frame' }>;
  /** Behind the last frame that was read. */
  readonly at: number;
}

/** Frames of a file, one after the other. @returns how it ends @throws store_unavailable */
export async function* readFrames(path: string): AsyncGenerator<FrameAt, FramesEnd> {
  const file = await asOurs(open(path, 'r'));
  try {
    const { size } = await asOurs(file.stat());
    let [start, at] = [0, 0];
    let window = await readAt(file, 0, Math.min(windowBytes, size));
    for (;;) {
      const read = readFrame(window, at, checksum);
      if (read.kind === 'frame') {
        yield { content: read.content, at: start + at, next: start + read.next };
        at = read.next;
        continue;
      }
      const isWhole = start + window.byteLength >= size;
      if (read.kind === 'damaged' || isWhole) return { how: read, at: start + at };
      // What is in the window is only the beginning of the next frame.
      const wanted = at === 0 ? window.byteLength * 2 : windowBytes;
      start += at;
      at = 0;
      window = await readAt(file, start, Math.min(wanted, size - start));
    }
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await asOurs(file.read(bytes, done, length - done, position + done));
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
}
