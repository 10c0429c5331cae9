import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Collection,
  decodePiece,
  type Points,
  pointsFromWire,
  pointsToWire,
  specToWire,
} from '@tercet/collection';
import { TercetError, wire } from '@tercet/contracts';
import { asOurs, replaceFile, writeFrame } from './files.js';
import { readFrames } from './read-frames.js';

const pattern = /^snapshot-(\d{16})\.snap$/;
const format = 1;
/** Slots of one piece: between two of them, others get their turn. */
const pieceSlots = 1024;

/** All points of a collection in one file; the log from behind `offset` makes the rest. */
export interface Snapshot {
  readonly offset: number;
  readonly points: number;
  readonly bytes: number;
}

/**
 * Writes what the collection holds, piece by piece, while it is changed: a point may stand there as it became later, or
 * twice, or not at all when it moved. The log from `offset` on has all that happened meanwhile, and ends at the same.
 * The file appears when it is whole and durable.
 */
export async function writeSnapshot(
  path: string,
  collection: Collection,
  { offset, signal }: { readonly offset: number; readonly signal: AbortSignal },
): Promise<Snapshot> {
  const temporary = `${path}.new`;
  const file = await asOurs(open(temporary, 'w', 0o600));
  let [bytes, points] = [0, 0];
  const write = async (kind: NonNullable<wire.SnapshotPiece['kind']>) => {
    bytes += await writeFrame(file, wire.SnapshotPiece.encode({ kind }).finish(), bytes);
  };
  try {
    const spec = specToWire(collection.spec);
    await write({ $case: 'start', value: { format, spec, offset: BigInt(offset) } });
    for (let slot = 0; slot < collection.slotsEnd; slot += pieceSlots) {
      signal.throwIfAborted();
      const piece = collection.pointsBetween(slot, Math.min(slot + pieceSlots, collection.slotsEnd));
      if (piece.ids.length === 0) continue;
      await write({ $case: 'points', value: pointsToWire(piece) });
      points += piece.ids.length;
    }
    await write({ $case: 'end', value: { points: BigInt(points) } });
    await asOurs(file.sync());
  } finally {
    await file.close();
  }
  await asOurs(replaceFile(temporary, path));
  return { offset, points, bytes };
}

/** Gives the points of a snapshot to `load`, in order. @throws collection_corrupt, collection_incompatible */
export async function readSnapshot(path: string, load: (points: Points) => void): Promise<Snapshot> {
  let points = 0;
  let [start, end]: [wire.SnapshotStart | undefined, wire.SnapshotEnd | undefined] = [undefined, undefined];
  const frames = readFrames(path);
  for (;;) {
    const next = await frames.next();
    if (next.done === true) {
      const { how, at } = next.value;
      if (how.kind === 'damaged') throw corrupt(path, how.reason, at);
      if (start === undefined || end === undefined) throw corrupt(path, 'it ends too early', at);
      if (how.kind === 'torn') throw corrupt(path, 'there is more behind its end', at);
      if (Number(end.points) !== points) throw corrupt(path, 'points are missing', at);
      return { offset: Number(start.offset), points, bytes: at };
    }
    const { content, at } = next.value;
    const piece = decodePiece(content);
    if ((start === undefined) !== (piece.$case === 'start') || end !== undefined) {
      throw corrupt(path, 'pieces are out of order', at);
    }
    if (piece.$case === 'start') start = readable(piece.value, path);
    else if (piece.$case === 'end') end = piece.value;
    else {
      load(pointsFromWire(piece.value));
      points += piece.value.ids.length;
    }
  }
}

function readable(start: wire.SnapshotStart, path: string): wire.SnapshotStart {
  if (start.format <= format) return start;
  throw new TercetError('collection_incompatible', { file: path, format: start.format });
}

/** Snapshots of a folder, oldest first. */
export async function snapshotFiles(folder: string): Promise<{ offset: number; name: string }[]> {
  const names = (await asOurs(readdir(folder))).filter((name) => pattern.test(name)).toSorted();
  return names.map((name) => ({ name, offset: Number((pattern.exec(name) as RegExpExecArray)[1]) }));
}

export function snapshotName(offset: number): string {
  return `snapshot-${String(offset).padStart(16, '0')}.snap`;
}

/** Takes away what a newer snapshot replaces, and what was never finished. */
export async function removeOldSnapshots(folder: string, newest: number): Promise<void> {
  for (const name of await asOurs(readdir(folder))) {
    const offset = Number(pattern.exec(name)?.[1] ?? Number.NaN);
    if (name.endsWith('.snap.new') || offset < newest) await asOurs(rm(join(folder, name), { force: true }));
  }
}

function corrupt(file: string, reason: string, at: number): TercetError {
  return new TercetError('collection_corrupt', { file, reason, at });
}
