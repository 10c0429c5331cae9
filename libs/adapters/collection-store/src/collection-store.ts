import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CollectionSpec, checkCollectionName, checkSpec } from '@tercet/collection';
import { TercetError } from '@tercet/contracts';
import { asOurs, replaceFile, syncFolder } from './files.js';
import { lockFolder } from './folder-lock.js';
import type { Snapshot } from './snapshot-file.js';
import { readSpec, writeSpec } from './spec-file.js';
import { type CollectionState, StoredCollection, type StoredCollectionOptions } from './stored-collection.js';

export interface CollectionStoreOptions extends StoredCollectionOptions {
  readonly folder: string;
  readonly backupFolder: string;
  /** Of one tenant. */
  readonly collectionsMax: number;
  /** Collections in memory; beyond, those that were not used for longest are closed. */
  readonly openMax: number;
}

/** A collection belongs to a tenant, and nobody else can name it. */
export interface CollectionWhich {
  readonly tenant: string;
  readonly name: string;
}

interface Opened {
  readonly which: CollectionWhich;
  readonly collection: Promise<StoredCollection>;
  /** Undefined while it is being read. */
  state(): CollectionState | undefined;
  users: number;
}

const tenantPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Folders that are being made or taken away: no collection is called so. */
const unfinished = '.';

/**
 * Every collection of a machine, a folder each below one of its tenant. One is read when it is first asked for: the
 * start costs the same whatever there is, and one that cannot be read is nobody else's trouble.
 */
export class CollectionStore implements AsyncDisposable {
  readonly #options: CollectionStoreOptions;
  readonly #lock: Disposable;
  /** In the order of their last use. */
  readonly #opened = new Map<string, Opened>();
  /** Changes of which collections there are, one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: CollectionStoreOptions, lock: Disposable) {
    this.#options = options;
    this.#lock = lock;
  }

  /** @throws already_running */
  static open(options: CollectionStoreOptions): CollectionStore {
    return new CollectionStore(options, lockFolder(options.folder));
  }

  /** Collections in memory now. */
  opened(): (CollectionWhich & { readonly state: CollectionState })[] {
    return [...this.#opened.values()].flatMap(({ which, state }) => {
      const now = state();
      return now === undefined ? [] : [{ ...which, state: now }];
    });
  }

  /** @throws invalid_request, index_limit_reached, collection_exists, disk_full, store_unavailable */
  async create(tenant: string, spec: CollectionSpec): Promise<void> {
    checkSpec(spec, this.#options.limits);
    await this.#inTurn(async () => {
      await this.#admit({ tenant, name: spec.name });
      await this.#add({ tenant, name: spec.name }, (folder) => writeSpec(folder, spec));
    });
  }

  /** Names in order. @throws invalid_request */
  async names(tenant: string): Promise<string[]> {
    const entries = await readdir(this.#tenantFolder(tenant)).catch(noneIfAbsent);
    return entries.filter((name) => !name.startsWith(unfinished)).toSorted();
  }

  /** Takes it away with all that it holds; writes that were taken still end. @throws collection_not_found */
  async delete(which: CollectionWhich): Promise<void> {
    await this.#inTurn(async () => {
      const folder = await this.#folderOf(which);
      const gone = join(dirname(folder), `${unfinished}gone-${randomUUID()}`);
      const opened = this.#opened.get(folder);
      await asOurs(rename(folder, gone));
      await asOurs(syncFolder(dirname(folder)));
      this.#opened.delete(folder);
      await close(opened);
      await asOurs(rm(gone, { recursive: true, force: true }));
    });
  }

  /**
   * Works on a collection, which stays in memory meanwhile.
   * @throws collection_not_found, collection_corrupt, collection_incompatible, and whatever `work` does
   */
  async use<T>(which: CollectionWhich, work: (collection: StoredCollection) => Promise<T>): Promise<T> {
    const folder = await this.#folderOf(which);
    const opened = this.#opened.get(folder) ?? this.#openedFrom(folder, which);
    this.#opened.delete(folder);
    this.#opened.set(folder, opened);
    opened.users++;
    try {
      return await work(await opened.collection);
    } catch (error) {
      // One that could not be opened is tried again by the next who asks.
      if ((await isBroken(opened)) && this.#opened.get(folder) === opened) this.#opened.delete(folder);
      throw (await isThere(folder)) ? error : new TercetError('collection_not_found', { name: which.name });
    } finally {
      opened.users--;
      await this.#closeUnused();
    }
  }

  /** Copies a collection into the folder of backups. @throws collection_not_found, collection_exists */
  async backup(which: CollectionWhich, backup: string): Promise<Snapshot> {
    const folder = this.#backupFolder(which.tenant, backup);
    if (await isThere(folder)) throw new TercetError('collection_exists', { backup });
    const unfinishedFolder = join(dirname(folder), `${unfinished}new-${randomUUID()}`);
    const snapshot = await this.use(which, (collection) => collection.backup(unfinishedFolder));
    await asOurs(replaceFile(unfinishedFolder, folder));
    return snapshot;
  }

  /** Makes a collection from a backup, under this name. @throws collection_not_found, collection_exists */
  async restore(which: CollectionWhich, backup: string): Promise<void> {
    const source = this.#backupFolder(which.tenant, backup);
    if (!(await isThere(source))) throw new TercetError('collection_not_found', { backup });
    await this.#inTurn(async () => {
      await this.#admit(which);
      await this.#add(which, async (folder) => {
        await asOurs(cp(source, folder, { recursive: true }));
        await writeSpec(folder, { ...(await readSpec(folder)), name: which.name });
        // One that cannot be read shall not come to stand among the others.
        await using _opened = await StoredCollection.open(folder, this.#options);
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn.catch(() => undefined);
    await Promise.all([...this.#opened.values()].map(close));
    this.#opened.clear();
    this.#lock[Symbol.dispose]();
  }

  #openedFrom(folder: string, which: CollectionWhich): Opened {
    let read: StoredCollection | undefined;
    const collection = StoredCollection.open(folder, this.#options).then((opened) => {
      read = opened;
      return opened;
    });
    return { which, collection, state: () => read?.state, users: 0 };
  }

  /** @throws collection_exists, index_limit_reached, invalid_request */
  async #admit({ tenant, name }: CollectionWhich): Promise<void> {
    checkCollectionName(name);
    const names = await this.names(tenant);
    const { collectionsMax } = this.#options;
    if (names.includes(name)) throw new TercetError('collection_exists', { name });
    if (names.length >= collectionsMax) throw new TercetError('index_limit_reached', { collectionsMax });
  }

  /** The folder appears when it is finished. */
  async #add({ tenant, name }: CollectionWhich, fill: (folder: string) => Promise<void>): Promise<void> {
    const parent = this.#tenantFolder(tenant);
    const folder = join(parent, `${unfinished}new-${randomUUID()}`);
    await asOurs(mkdir(folder, { recursive: true, mode: 0o700 }));
    try {
      await fill(folder);
      await asOurs(replaceFile(folder, join(parent, name)));
      await asOurs(syncFolder(dirname(parent)));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** @throws collection_not_found, also for a name that none can have */
  async #folderOf({ tenant, name }: CollectionWhich): Promise<string> {
    checkCollectionName(name);
    const folder = join(this.#tenantFolder(tenant), name);
    if (this.#opened.has(folder) || (await isThere(folder))) return folder;
    throw new TercetError('collection_not_found', { name });
  }

  #tenantFolder(tenant: string): string {
    return join(this.#options.folder, 'tenants', folderName(tenant));
  }

  #backupFolder(tenant: string, backup: string): string {
    checkCollectionName(backup);
    return join(this.#options.backupFolder, folderName(tenant), backup);
  }

  /** Closes what was not used for longest, while there is too much. */
  async #closeUnused(): Promise<void> {
    for (const [folder, opened] of this.#opened) {
      if (this.#opened.size <= this.#options.openMax) return;
      const isIdle = await opened.collection.then(
        (collection) => collection.isIdle,
        () => false,
      );
      if (!isIdle || opened.users > 0 || this.#opened.get(folder) !== opened) continue;
      this.#opened.delete(folder);
      await close(opened);
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => undefined).then(work);
    this.#turn = turn;
    return turn;
  }
}

async function close(opened: Opened | undefined): Promise<void> {
  const collection = await opened?.collection.catch(() => undefined);
  await collection?.[Symbol.asyncDispose]();
}

async function isBroken({ collection }: Opened): Promise<boolean> {
  return collection.then(
    () => false,
    () => true,
  );
}

async function isThere(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found?.isDirectory() === true;
}

function noneIfAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

/** Those who ask without a key share a folder that no tenant is called like. */
function folderName(tenant: string): string {
  if (tenant === '') return '_';
  if (tenantPattern.test(tenant)) return tenant;
  throw new TercetError('invalid_request', { param: 'tenant', reason: 'not the name of a tenant' });
}
