import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CollectionSpec, decodePiece, readFrame, specFromWire, specToWire } from '@tercet/collection';
import { TercetError, wire } from '@tercet/contracts';
import { asOurs, checksum, replaceFile, writeFrame } from './files.js';

export const specFile = 'collection.spec';
const format = 1;

/** Writes what a collection is into its folder: the first piece of a snapshot, on its own. */
export async function writeSpec(folder: string, spec: CollectionSpec): Promise<void> {
  const path = join(folder, specFile);
  const file = await asOurs(open(`${path}.new`, 'w', 0o600));
  try {
    const kind = { $case: 'start' as const, value: { format, spec: specToWire(spec), offset: 0n } };
    await writeFrame(file, wire.SnapshotPiece.encode({ kind }).finish(), 0);
    await asOurs(file.sync());
  } finally {
    await file.close();
  }
  await asOurs(replaceFile(`${path}.new`, path));
}

/** @throws collection_corrupt, collection_incompatible */
export async function readSpec(folder: string): Promise<CollectionSpec> {
  const path = join(folder, specFile);
  const read = readFrame(await asOurs(readFile(path)), 0, checksum);
  const piece = read.kind === 'frame' ? decodePiece(read.content) : undefined;
  if (piece?.$case !== 'start' || piece.value.spec === undefined) {
    throw new TercetError('collection_corrupt', { file: path, reason: 'it does not say what the collection is' });
  }
  if (piece.value.format > format) {
    throw new TercetError('collection_incompatible', { file: path, format: piece.value.format });
  }
  return specFromWire(piece.value.spec);
}
