import { wire } from '@tercet/contracts';
import { type MountedService, service } from '@tercet/grpc';
import type { CollectionCalls } from './collection-calls.js';
import type { MeasuredCalls } from './measured-calls.js';

/** Upserts of one stream that are under way at a time. */
const ingestsMax = 4;

/** Every call that this process answers. */
export function vectorIndexService(calls: CollectionCalls, measured: MeasuredCalls): MountedService {
  return service(wire.VectorIndexDefinition, {
    createCollection: (request) => measured.call('create', calls.create(request)),
    getCollection: (request) => measured.call('status', calls.status(request)),
    listCollections: (request) => measured.call('list', calls.list(request)),
    deleteCollection: (request) => measured.call('delete', calls.delete(request)),
    upsertPoints: (request) => measured.write('upsert', calls.upsert(request)),
    ingestPoints: (requests) => ingest(requests, (request) => measured.write('upsert', calls.upsert(request))),
    deletePoints: (request) => measured.write('delete_points', calls.deletePoints(request)),
    getPoints: (request) => measured.call('get', calls.get(request)),
    searchPoints: (request, { signal }) => measured.search('search', calls.search(request, signal)),
    recommendPoints: (request, { signal }) => measured.search('recommend', calls.recommend(request, signal)),
    scrollPoints: (request) => measured.call('scroll', calls.scroll(request)),
    countPoints: (request) => measured.call('count', calls.count(request)),
    snapshotCollection: (request) => measured.call('snapshot', calls.snapshot(request)),
    backupCollection: (request) => measured.call('backup', calls.backup(request)),
    restoreCollection: (request) => measured.call('restore', calls.restore(request)),
  });
}

/** Receipts in order. The next upserts are taken while the disk is busy with those before. */
async function* ingest(
  requests: AsyncIterable<wire.UpsertPointsRequest>,
  upsert: (request: wire.UpsertPointsRequest) => Promise<wire.WriteReceipt>,
): AsyncGenerator<wire.WriteReceipt> {
  const underWay: Promise<wire.WriteReceipt>[] = [];
  for await (const request of requests) {
    const receipt = upsert(request);
    receipt.catch(() => undefined);
    underWay.push(receipt);
    if (underWay.length === ingestsMax) yield await (underWay.shift() as Promise<wire.WriteReceipt>);
  }
  for (const receipt of underWay) yield await receipt;
}
