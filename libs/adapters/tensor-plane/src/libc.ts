import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';

const mac = process.platform === 'darwin';

const readOnly = 1;
const readWrite = 3;
const mapShared = 1;
const mapPrivate = 2;
const mapAnonymous = mac ? 0x1000 : 0x20;
const mapNoReserve = mac ? 0x40 : 0x4000;
const madviseRemove = 9;
const lockExclusiveNow = 2 | 4;

interface Libc {
  mmap(address: number, bytes: number, protection: number, flags: number, file: number, offset: number): number;
  munmap(address: number, bytes: number): number;
  madvise(address: number, bytes: number, advice: number): number;
  flock(file: number, operation: number): number;
}

let loaded: Libc | undefined;

/** The C library of this process, loaded on first use. */
function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const library = koffi.load(null);
  loaded = {
    mmap: library.func('int64 mmap(int64 address, size_t bytes, int prot, int flags, int file, int64 offset)'),
    munmap: library.func('int munmap(int64 address, size_t bytes)'),
    madvise: library.func('int madvise(int64 address, size_t bytes, int advice)'),
    flock: library.func('int flock(int file, int operation)'),
  } as Libc;
  return loaded;
}

/** Maps a whole file, pages committed on first touch. @throws internal with the errno */
export function mapFile(file: number, bytes: number, access: 'read' | 'write'): number {
  const protection = access === 'read' ? readOnly : readWrite;
  return checked('mmap', libc().mmap(0, bytes, protection, mapShared | mapNoReserve, file, 0), bytes);
}

/** Memory of this process alone, pages committed on first touch. */
export function mapPrivateMemory(bytes: number): number {
  return checked('mmap', libc().mmap(0, bytes, readWrite, mapPrivate | mapAnonymous | mapNoReserve, -1, 0), bytes);
}

export function unmap(address: number, bytes: number): void {
  checked('munmap', libc().munmap(address, bytes), bytes);
}

/** Gives pages of a shared file back to the system; they read as zeros afterwards. False where that cannot be done. */
export function removePages(address: number, bytes: number): boolean {
  return !mac && libc().madvise(address, bytes, madviseRemove) === 0;
}

/** Takes the file's lock if nobody has it. The system frees it when the owner dies, however it dies. */
export function tryLock(file: number): boolean {
  return libc().flock(file, lockExclusiveNow) === 0;
}

/** The bytes at an address, without a copy. The caller keeps the memory mapped while the view is used. */
export function viewOf(address: number, bytes: number): Uint8Array {
  return new Uint8Array(koffi.view(address, bytes));
}

/** Where the bytes of a view lie in this process. */
export function addressOf(view: Uint8Array): number {
  return Number(koffi.address(view));
}

function checked(call: string, result: number, bytes: number): number {
  if (result === -1) throw new TercetError('internal', { call, errno: koffi.errno(), bytes });
  return result;
}
