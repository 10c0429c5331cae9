import { TercetError, wire } from '@tercet/contracts';
import type { Change, Points } from '../points.js';
import { bytesOf, floatsOf } from './vector-bytes.js';

/** A change with its place in the log. */
export interface LoggedChange {
  readonly offset: number;
  readonly change: Change;
}

/** Content of the frame in which these changes become durable together. */
export function encodeChanges(changes: readonly LoggedChange[]): Uint8Array {
  const records = changes.map(({ offset, change }) => ({ offset: BigInt(offset), change: changeToWire(change) }));
  return wire.VectorRecordBatch.encode({ records }).finish();
}

/** @throws collection_corrupt for what nobody can have written */
export function decodeChanges(content: Uint8Array): LoggedChange[] {
  return decoded(() => wire.VectorRecordBatch.decode(content)).records.map(({ offset, change }) => {
    if (change === undefined) throw new TercetError('collection_corrupt', { reason: 'a record of a newer kind' });
    return { offset: Number(offset), change: changeFromWire(change) };
  });
}

/** @throws collection_corrupt */
export function decodePiece(content: Uint8Array): NonNullable<wire.SnapshotPiece['kind']> {
  const { kind } = decoded(() => wire.SnapshotPiece.decode(content));
  if (kind === undefined) throw new TercetError('collection_corrupt', { reason: 'a piece of a newer kind' });
  return kind;
}

export function pointsToWire({ ids, vectors, payloads }: Points): wire.Points {
  return { ids: [...ids], vectors: bytesOf(vectors) as Buffer, payloads: [...payloads] };
}

/** @throws dimension_mismatch */
export function pointsFromWire({ ids, vectors, payloads }: wire.Points): Points {
  return { ids, vectors: floatsOf(vectors), payloads };
}

function changeToWire(change: Change): NonNullable<wire.VectorRecord['change']> {
  if (change.kind === 'upsert') return { $case: 'upsert', value: pointsToWire(change.points) };
  return { $case: 'delete', value: { ids: [...change.ids] } };
}

function changeFromWire(change: NonNullable<wire.VectorRecord['change']>): Change {
  if (change.$case === 'upsert') return { kind: 'upsert', points: pointsFromWire(change.value) };
  return { kind: 'delete', ids: change.value.ids };
}

/** The checksum was right: only a writer with a fault makes bytes like these. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new TercetError('collection_corrupt', { reason: 'not a record' }, { cause });
  }
}
