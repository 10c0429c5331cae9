export { CollectionStore, type CollectionStoreOptions, type CollectionWhich } from './collection-store.js';
export type { Snapshot } from './snapshot-file.js';
export type { CollectionState, StoredCollection } from './stored-collection.js';
export type { WriteReceipt } from './write-queue.js';
