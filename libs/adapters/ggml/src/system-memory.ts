// The few calls of the C library that memory needs: map, unmap, and nothing else.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';
import { memory, type Pointer } from './ffi.js';

const libc = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6');
const mmap = libc.func('int64 mmap(int64 address, size_t length, int protection, int flags, int fd, int64 offset)');
const munmap = libc.func('int munmap(int64 address, size_t length)');

const protection = { read: 1, readWrite: 3 };
const flags = { shared: 1, private: 2, anonymous: process.platform === 'darwin' ? 0x1000 : 0x20, noReserve: 0x4000 };

/** A stretch of address space. `view` must not be used after `free`. */
export interface Mapping {
  readonly address: Pointer;
  readonly bytes: number;
  readonly view: ArrayBuffer;
  free(): void;
}

/** Maps a file for reading; pages come from the page cache, so that processes share them. @throws model_file_missing */
export function mapFile(path: string): Mapping {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw new TercetError('model_file_missing', { path }, { cause });
  }
  try {
    const bytes = fstatSync(fd).size;
    if (bytes === 0) throw new TercetError('model_file_invalid', { reason: 'the file is empty' });
    return mapping(mmap(0, bytes, protection.read, flags.shared, fd, 0) as number, bytes);
  } finally {
    closeSync(fd);
  }
}

/** Reserves address space whose pages are committed by the first touch and read as zero until then. */
export function reserve(bytes: number): Mapping {
  const how = flags.private | flags.anonymous | (process.platform === 'darwin' ? 0 : flags.noReserve);
  return mapping(mmap(0, bytes, protection.readWrite, how, -1, 0) as number, bytes);
}

function mapping(address: number, bytes: number): Mapping {
  if (address === -1) throw new TercetError('internal', { reason: 'memory could not be mapped', bytes });
  return { address, bytes, view: memory(address, bytes), free: () => void munmap(address, bytes) };
}
