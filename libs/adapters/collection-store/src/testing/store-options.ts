import { join } from 'node:path';
import type { CollectionSpec } from '@tercet/collection';
import type { CollectionStoreOptions } from '../collection-store.js';

export const testSpec: CollectionSpec = {
  name: 'docs',
  dimensions: 4,
  metric: 'l2',
  fields: [
    { name: 'version', kind: 'integer' },
    { name: 'colour', kind: 'keyword' },
    { name: 'text', kind: 'text', language: 'en' },
  ],
};

/** A store with small limits, so that tests meet them. */
export function storeOptions(folder: string, more: Partial<CollectionStoreOptions> = {}): CollectionStoreOptions {
  return {
    folder: join(folder, 'collections'),
    backupFolder: join(folder, 'backups'),
    collectionsMax: 8,
    openMax: 4,
    writesWaitingMax: 256,
    logBytesMax: 64 * 1024,
    limits: {
      dimensionsMax: 16,
      fieldsMax: 8,
      pointsMax: 10_000,
      idCharsMax: 64,
      payloadBytesMax: 1024,
      callPointsMax: 1000,
    },
    memoryOf: () => ({
      clock: { nowMs: () => performance.now(), unixMs: () => Date.now() },
      routes: { scanVectorsMax: 100, scanShareMax: 0.01 },
    }),
    ...more,
  };
}
