import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { TercetError } from '@tercet/contracts';
import { addressOf, mapFile, mapPrivateMemory, removePages, tryLock, unmap, viewOf } from './libc.js';

const arenaName = /^tercet-\d+-[a-z0-9-]{1,40}-[0-9a-f]{16}$/;
const pageBytes = 16384;

export interface SharedMemoryOptions {
  /** Where the files live. Default: /dev/shm, and the system's temporary folder where there is none (macOS). */
  readonly folder?: string;
  /** Keep all memory to this process: others read it through a socket. */
  readonly isPrivate?: boolean;
}

export interface PlaceInFile {
  readonly path: string;
  readonly offset: number;
}

/**
 * One run of memory, pages committed on first touch. `path` is set when other processes of this machine can map it;
 * without it (kept private, or no room in /dev/shm) everything works, and reads go through a socket.
 */
export class SharedArena {
  readonly bytes: number;
  readonly address: number;
  readonly path: string | undefined;

  constructor(place: { bytes: number; address: number; path: string | undefined }) {
    this.bytes = place.bytes;
    this.address = place.address;
    this.path = place.path;
  }

  /** A view of part of the arena, valid until the memory is closed. One view covers at most 4 GB. */
  view(offset = 0, bytes = this.bytes - offset): Uint8Array {
    if (offset < 0 || bytes < 0 || offset + bytes > this.bytes) {
      throw new RangeError(`view ${offset} + ${bytes} outside an arena of ${this.bytes} bytes`);
    }
    return bytes === 0 ? new Uint8Array(0) : viewOf(this.address + offset, bytes);
  }

  /** Gives the whole pages inside the range back to the system; they read as zeros. False where that cannot be done. */
  discard(offset: number, bytes: number): boolean {
    const from = Math.ceil(offset / pageBytes) * pageBytes;
    const to = Math.floor((offset + bytes) / pageBytes) * pageBytes;
    if (this.path === undefined || to <= from) return false;
    return removePages(this.address + from, to - from);
  }
}

/**
 * Memory that this process writes and others map. A file's lock says that its owner lives; files without one are
 * left over from a process that died, and are removed at the next start.
 */
export class SharedMemory {
  readonly folder: string;
  readonly #isPrivate: boolean;
  readonly #arenas: { arena: SharedArena; file: number | undefined }[] = [];

  private constructor({ folder = defaultFolder(), isPrivate = false }: SharedMemoryOptions) {
    this.folder = folder;
    this.#isPrivate = isPrivate;
  }

  static open(options: SharedMemoryOptions = {}): SharedMemory {
    const memory = new SharedMemory(options);
    memory.removeStale();
    return memory;
  }

  /** @param label names the arena in the folder: a-z, 0-9, `-` @throws internal when the system refuses the memory */
  allocate(options: { bytes: number; label: string }): SharedArena {
    const bytes = Math.max(1, Math.ceil(options.bytes / pageBytes)) * pageBytes;
    const shared = !this.#isPrivate && bytes <= this.#roomBytes();
    const entry = shared ? this.#allocateFile(bytes, options.label) : allocatePrivate(bytes);
    this.#arenas.push(entry);
    return entry.arena;
  }

  /** Where other processes find these bytes; `undefined` when they do not lie in a shared arena. */
  locate(view: Uint8Array): PlaceInFile | undefined {
    if (this.#arenas.length === 0 || view.byteLength === 0) return undefined;
    const address = addressOf(view);
    for (const { arena } of this.#arenas) {
      const offset = address - arena.address;
      if (offset < 0 || offset + view.byteLength > arena.bytes || arena.path === undefined) continue;
      return { path: arena.path, offset };
    }
    return undefined;
  }

  /** Unmaps everything; views must not be used any more. */
  close(): void {
    for (const { arena, file } of this.#arenas.splice(0)) {
      if (arena.path !== undefined) unlinkSync(arena.path);
      unmap(arena.address, arena.bytes);
      if (file !== undefined) closeSync(file);
    }
  }

  /** Removes what dead processes left. Returns how many files went. */
  removeStale(): number {
    let removed = 0;
    for (const name of readdirSync(this.folder).filter((file) => arenaName.test(file))) {
      const path = join(this.folder, name);
      const file = tryOpen(path, constants.O_RDWR);
      if (file === undefined) continue;
      if (tryLock(file)) {
        tryUnlink(path);
        removed++;
      }
      closeSync(file);
    }
    return removed;
  }

  /** The lock is taken before the file gets the name that `removeStale` looks for. */
  #allocateFile(bytes: number, label: string): { arena: SharedArena; file: number } {
    const name = `tercet-${process.pid}-${label.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
    const path = join(this.folder, `${name.slice(0, 52)}-${randomBytes(8).toString('hex')}`);
    const file = openSync(`${path}.new`, 'wx+', 0o600);
    try {
      ftruncateSync(file, bytes);
      if (!tryLock(file)) throw new TercetError('internal', { call: 'flock' });
      const address = mapFile(file, bytes, 'write');
      renameSync(`${path}.new`, path);
      return { arena: new SharedArena({ bytes, address, path }), file };
    } catch (error) {
      closeSync(file);
      tryUnlink(`${path}.new`);
      throw error;
    }
  }

  /** Free bytes of the folder, less what sparse arenas may still claim: touching a page that is not there kills. */
  #roomBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    let claimed = 0;
    for (const name of readdirSync(this.folder).filter((file) => arenaName.test(file))) {
      const file = tryOpen(join(this.folder, name), constants.O_RDONLY);
      if (file === undefined) continue;
      const { size, blocks } = fstatSync(file);
      claimed += Math.max(0, size - blocks * 512);
      closeSync(file);
    }
    return bavail * bsize - claimed;
  }
}

interface Mapping {
  readonly path: string;
  readonly address: number;
  readonly bytes: number;
  /** The whole file where one view can cover it. */
  readonly whole: Uint8Array | undefined;
}

const viewBytesMax = 2 ** 32 - 1;

/** Arenas of other processes, mapped for reading; the least recently used one goes when there are too many. */
export class MappedFiles {
  readonly #filesMax: number;
  readonly #mappings = new Map<string, Mapping>();
  readonly #folders: readonly string[];

  constructor(options: { filesMax: number; folders?: readonly string[] }) {
    this.#filesMax = options.filesMax;
    this.#folders = options.folders ?? [defaultFolder()];
  }

  /** True when the file is an arena that this process can map. */
  tryMap(path: string): boolean {
    if (this.#mappings.has(path)) return true;
    if (!arenaName.test(basename(path)) || !this.#folders.includes(dirname(path))) return false;
    const file = tryOpen(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    if (file === undefined) return false;
    try {
      const bytes = fstatSync(file).size;
      if (this.#mappings.size >= this.#filesMax) this.#evict();
      const address = mapFile(file, bytes, 'read');
      const whole = bytes > viewBytesMax ? undefined : viewOf(address, bytes);
      this.#mappings.set(path, { path, bytes, address, whole });
    } finally {
      closeSync(file);
    }
    return true;
  }

  /** Bytes of a mapped file, to be used before the next call: another file may take its place. */
  view(place: PlaceInFile, bytes: number): Uint8Array {
    const mapping = this.#mappings.get(place.path);
    if (mapping === undefined && this.tryMap(place.path)) return this.view(place, bytes);
    if (mapping === undefined || place.offset + bytes > mapping.bytes) {
      throw new TercetError('tensor_transfer_failed', {
        reason: 'outside the mapped file',
        offset: place.offset,
        bytes,
      });
    }
    this.#mappings.delete(place.path);
    this.#mappings.set(place.path, mapping);
    return mapping.whole?.subarray(place.offset, place.offset + bytes) ?? viewOf(mapping.address + place.offset, bytes);
  }

  close(): void {
    while (this.#mappings.size > 0) this.#evict();
  }

  #evict(): void {
    const [oldest] = this.#mappings.values();
    if (oldest === undefined) return;
    this.#mappings.delete(oldest.path);
    unmap(oldest.address, oldest.bytes);
  }
}

function allocatePrivate(bytes: number): { arena: SharedArena; file: undefined } {
  return { arena: new SharedArena({ bytes, address: mapPrivateMemory(bytes), path: undefined }), file: undefined };
}

function defaultFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

function tryOpen(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch {
    return undefined;
  }
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it first.
  }
}
