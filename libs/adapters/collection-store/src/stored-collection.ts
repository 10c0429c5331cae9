import { copyFile, mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Change,
  Collection,
  type CollectionLimits,
  type CollectionOptions,
  type CollectionSpec,
  checkIds,
  checkPoints,
  type Filter,
  type MemoryUse,
  type Points,
} from '@tercet/collection';
import { TercetError, toTercetError } from '@tercet/contracts';
import { asOurs, syncFolder } from './files.js';
import {
  readSnapshot,
  removeOldSnapshots,
  type Snapshot,
  snapshotFiles,
  snapshotName,
  writeSnapshot,
} from './snapshot-file.js';
import { readSpec, writeSpec } from './spec-file.js';
import { WriteAheadLog } from './write-ahead-log.js';
import { WriteQueue, type WriteReceipt } from './write-queue.js';

export interface StoredCollectionOptions {
  readonly limits: CollectionLimits;
  readonly memoryOf: (spec: CollectionSpec) => CollectionOptions;
  /** A log that is longer, and longer than half the snapshot, is given up for a new snapshot. */
  readonly logBytesMax: number;
  /** Writes that wait to become durable; one more is refused. */
  readonly writesWaitingMax: number;
  /** Hears of snapshots that were written because the log was long. */
  readonly onSnapshot?: (outcome: Snapshot | TercetError) => void;
}

export interface CollectionState {
  readonly points: number;
  readonly offset: number;
  readonly snapshotOffset: number;
  readonly logBytes: number;
  readonly memory: MemoryUse;
}

/** One collection and its files: the newest snapshot, and the log of what came later. */
export class StoredCollection implements AsyncDisposable {
  readonly memory: Collection;
  readonly #folder: string;
  readonly #options: StoredCollectionOptions;
  readonly #log: WriteAheadLog;
  readonly #queue: WriteQueue;
  readonly #closing = new AbortController();
  /** Snapshots and backups, one at a time. */
  #copying: Promise<unknown> = Promise.resolve();
  #copies = 0;
  #snapshot: Pick<Snapshot, 'offset' | 'bytes'>;

  private constructor({ folder, memory, log, snapshot }: OpenedParts, options: StoredCollectionOptions) {
    this.memory = memory;
    this.#folder = folder;
    this.#log = log;
    this.#snapshot = snapshot;
    this.#options = options;
    this.#queue = new WriteQueue({ memory, log, waitingMax: options.writesWaitingMax });
  }

  /** Reads the newest snapshot and the log behind it. @throws collection_corrupt, collection_incompatible */
  static async open(folder: string, options: StoredCollectionOptions): Promise<StoredCollection> {
    const spec = await readSpec(folder);
    const memory = new Collection(spec, options.memoryOf(spec));
    const apply = (change: Change) => memory.apply(fitting(spec, change, folder));
    const newest = (await snapshotFiles(folder)).at(-1);
    let snapshot = { offset: 0, bytes: 0 };
    if (newest !== undefined) {
      snapshot = await readSnapshot(join(folder, newest.name), (points) => apply({ kind: 'upsert', points }));
      await removeOldSnapshots(folder, snapshot.offset);
    }
    const log = await WriteAheadLog.open(folder, snapshot.offset, (changes) => {
      for (const { change } of changes) apply(change);
    });
    return new StoredCollection({ folder, memory, log, snapshot }, options);
  }

  get spec(): CollectionSpec {
    return this.memory.spec;
  }

  get state(): CollectionState {
    const { size: points, memory } = this.memory;
    return { points, offset: this.#log.last, snapshotOffset: this.#snapshot.offset, logBytes: this.#log.bytes, memory };
  }

  get isIdle(): boolean {
    return this.#queue.isIdle && this.#copies === 0;
  }

  /** @throws what `checkPoints` does; index_limit_reached, overloaded, disk_full, store_unavailable */
  async upsert(points: Points): Promise<WriteReceipt> {
    const { limits } = this.#options;
    checkPoints(this.spec, points, limits);
    return this.#write((expected) => {
      const { pointsMax } = limits;
      const added = points.ids.filter((id) => !expected.has(id)).length;
      if (added > 0 && expected.size + added > pointsMax) throw new TercetError('index_limit_reached', { pointsMax });
      return { kind: 'upsert', points };
    });
  }

  /**
   * Ids that are not there are no failure.
   * @throws id_invalid, id_duplicate, overloaded, disk_full, store_unavailable
   */
  async delete(ids: readonly string[]): Promise<WriteReceipt> {
    checkIds(ids, this.#options.limits);
    return this.#write(() => ({ kind: 'delete', ids }));
  }

  /** @throws filter_invalid, field_unknown, overloaded, disk_full, store_unavailable */
  async deleteMatching(filter: Filter): Promise<WriteReceipt> {
    const plan = (): Change => ({ kind: 'delete', ids: this.memory.idsOf(filter) });
    return this.#write(plan, { readsPoints: true });
  }

  /** Resolves when a search sees the write at `offset`. @throws the reason of the signal */
  async seen(offset: number, signal: AbortSignal): Promise<void> {
    await this.#queue.seen(offset, signal);
  }

  /** Writes all points into one file and gives up the log before it. Reads and writes go on. */
  async snapshot(): Promise<Snapshot> {
    return this.#alone(async () => {
      const offset = await this.#queue.between(async () => {
        await this.#log.cut();
        return this.#log.last;
      });
      const path = join(this.#folder, snapshotName(offset));
      const snapshot = await writeSnapshot(path, this.memory, { offset, signal: this.#closing.signal });
      this.#snapshot = snapshot;
      await this.#log.trim(offset);
      await removeOldSnapshots(this.#folder, offset);
      return snapshot;
    });
  }

  /** Copies the collection into an empty folder, as of some moment while that lasts. Reads and writes go on. */
  async backup(folder: string): Promise<Snapshot> {
    return this.#alone(async () => {
      await asOurs(mkdir(folder, { recursive: true, mode: 0o700 }));
      const offset = await this.#queue.between(async () => {
        await this.#log.cut();
        return this.#log.last;
      });
      const path = join(folder, snapshotName(offset));
      const snapshot = await writeSnapshot(path, this.memory, { offset, signal: this.#closing.signal });
      for (const { name, bytes } of this.#log.filesAfter(offset)) {
        await asOurs(copyFile(join(this.#folder, name), join(folder, name)));
        await asOurs(truncate(join(folder, name), bytes));
      }
      await writeSpec(folder, this.spec);
      await asOurs(syncFolder(folder));
      return snapshot;
    });
  }

  /** Waits for writes that were taken; a snapshot that is being written is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new TercetError('shutting_down'));
    await this.#copying.catch(() => undefined);
    await this.#queue.drained();
    await this.#log.close();
  }

  async #write(...write: Parameters<WriteQueue['write']>): Promise<WriteReceipt> {
    const receipt = await this.#queue.write(...write);
    this.#trimLog();
    return receipt;
  }

  #trimLog(): void {
    const { logBytesMax, onSnapshot } = this.#options;
    if (this.#log.bytes < Math.max(logBytesMax, this.#snapshot.bytes / 2) || this.#copies > 0) return;
    this.snapshot().then(
      (snapshot) => onSnapshot?.(snapshot),
      (error) => onSnapshot?.(toTercetError(error)),
    );
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    this.#copies++;
    const turn = this.#copying
      .catch(() => undefined)
      .then(() => {
        this.#closing.signal.throwIfAborted();
        return work();
      });
    this.#copying = turn;
    return turn.finally(() => this.#copies--);
  }
}

interface OpenedParts {
  readonly folder: string;
  readonly memory: Collection;
  readonly log: WriteAheadLog;
  readonly snapshot: Pick<Snapshot, 'offset' | 'bytes'>;
}

/** A change that was written for a collection like this one. @throws collection_corrupt */
function fitting({ dimensions }: CollectionSpec, change: Change, folder: string): Change {
  if (change.kind === 'delete') return change;
  const { ids, vectors, payloads } = change.points;
  const hasPayloads = payloads.length === ids.length || payloads.length === 0;
  if (vectors.length === ids.length * dimensions && hasPayloads) return change;
  throw new TercetError('collection_corrupt', { folder, reason: 'points of another collection' });
}
