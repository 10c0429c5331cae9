import { encodeMs, transferMs } from '@tercet/cost-model';
import type { FleetShape } from './fleet.js';
import { IndexedHeap } from './indexed-heap.js';
import type { Trace } from './trace.js';

/**
 * When the media of each request is there for prefill. The images of a request are dealt over all encoders: each goes
 * to the one that is free first, in the order of arrival.
 * @param outReadyMs one per request
 */
export function encodePass(trace: Trace, encoders: number, shape: FleetShape, outReadyMs: Float64Array): void {
  const { encode, mediaTransfer, mediaBytesPerPatch } = shape.costs;
  const { arrivalMs, images, patches } = trace;
  if (encoders === 0) {
    outReadyMs.set(arrivalMs);
    return;
  }
  const free = new IndexedHeap(encoders, 0);
  for (let request = 0; request < trace.length; request++) {
    const arrival = arrivalMs[request] as number;
    const count = images[request] as number;
    let ready = arrival;
    if (count > 0) {
      const each = encodeMs(encode, (patches[request] as number) / count);
      for (let image = 0; image < count; image++) {
        const end = Math.max(arrival, free.leastKey) + each;
        free.set(free.least, end);
        ready = Math.max(ready, end);
      }
      ready += transferMs(mediaTransfer, (patches[request] as number) * mediaBytesPerPatch);
    }
    outReadyMs[request] = ready;
  }
}

/** Time that whoever prefills a request spends on its images, where no encoder does. */
export function localEncodeMs(trace: Trace, request: number, shape: FleetShape): number {
  const { encode } = shape.costs;
  return encode.fixedMs * (trace.images[request] as number) + encode.perPatchMs * (trace.patches[request] as number);
}

/** Requests in the order of these times. */
export function orderBy(times: Float64Array): Uint32Array {
  return Uint32Array.from(times, (_, i) => i).sort((a, b) => (times[a] as number) - (times[b] as number) || a - b);
}
