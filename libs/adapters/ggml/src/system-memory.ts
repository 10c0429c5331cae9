// The few calls of the C library that memory needs, and nothing else.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';
import { memory, type Pointer } from './ffi.js';

const libc = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6');
const mmap = libc.func('int64 mmap(int64 address, size_t length, int protection, int flags, int fd, int64 offset)');
const munmap = libc.func('int munmap(int64 address, size_t length)');

const madvise = libc.func('int madvise(int64 address, size_t length, int advice)');

const advice = { huge: 14, populateRead: 22 };
const fileAdvice = { dontNeed: 4 };
const protection = { read: 1, readWrite: 3 };
const flags = { shared: 1, private: 2, anonymous: process.platform === 'darwin' ? 0x1000 : 0x20, noReserve: 0x4000 };

/** A stretch of address space. `view` must not be used after `free`. */
export interface Mapping {
  readonly address: Pointer;
  readonly bytes: number;
  readonly view: ArrayBuffer;
  free(): void;
}

/** Below this size it matters little how a file lies in memory. */
const hugePagesWorthBytes = 2 ** 26;

/**
 * Maps a file for reading; pages come from the page cache, so that processes share them. A large file is read into huge
 * pages where the system has them for files (newer Linux kernels, on ext4 and XFS): a decode step reads every weight
 * once, and is slower where they lie scattered over pages of 4 KB, as small writes leave them. Such a file is read
 * anew, unless another process has it mapped. What counts is that the pages lie together in memory: mapped one by one
 * they are read as fast.
 * @throws model_file_missing, model_file_invalid
 */
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
    const map = () => mapping(mmap(0, bytes, protection.read, flags.shared, fd, 0) as number, bytes);
    return process.platform === 'linux' && bytes >= hugePagesWorthBytes ? inHugePages(fd, map) : map();
  } finally {
    closeSync(fd);
  }
}

/** Every call is a hint: where one fails the mapping is as good as without it. */
function inHugePages(fd: number, map: () => Mapping): Mapping {
  const populated = () => {
    const made = map();
    madvise(made.address, made.bytes, advice.huge);
    madvise(made.address, made.bytes, advice.populateRead);
    return made;
  };
  const first = populated();
  if (hugeBytesOf(first) >= first.bytes / 2) return first;
  first.free();
  libc.func('int posix_fadvise(int fd, int64 offset, int64 length, int advice)')(fd, 0, 0, fileAdvice.dontNeed);
  return populated();
}

/** Bytes of a mapping of a file that lie in huge pages; 0 where the system does not tell. */
export function hugeBytesOf({ address }: Mapping): number {
  if (process.platform !== 'linux') return 0;
  const areas = readFileSync('/proc/self/smaps', 'latin1');
  const at = areas.indexOf(`\n${address.toString(16)}-`);
  const [, kilobytes = '0'] = (at < 0 ? null : /FilePmdMapped:\s+(\d+) kB/.exec(areas.slice(at))) ?? [];
  return Number(kilobytes) * 1024;
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
