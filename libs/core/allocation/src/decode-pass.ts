import { transferMs } from '@tercet/cost-model';
import { DecodeGroup } from './decode-group.js';
import { orderBy } from './encode-pass.js';
import type { FleetShape } from './fleet.js';
import { IndexedHeap } from './indexed-heap.js';
import type { Trace } from './trace.js';

export interface DecodePass {
  readonly groups: number;
  readonly shape: FleetShape;
  readonly firstMs: Float64Array;
  /** When each request's last token is there. */
  readonly outEndMs: Float64Array;
}

/** Each request goes, with its KV, to the group that runs the fewest, and joins its batch at the next step. */
export function decodePass(trace: Trace, { groups: groupCount, shape, firstMs, outEndMs }: DecodePass): void {
  const { kvTransfer, kvBytesPerToken } = shape.costs;
  const joinMs = Float64Array.from(firstMs, (first, request) => {
    return first + transferMs(kvTransfer, (trace.promptTokens[request] as number) * kvBytesPerToken);
  });
  const make = () => new DecodeGroup({ trace, costs: shape.costs, limits: shape, outEndMs });
  const groups = Array.from({ length: groupCount }, make);
  const loads = new IndexedHeap(groupCount, 0);
  const ends = new IndexedHeap(groupCount, Number.POSITIVE_INFINITY);
  const order = orderBy(joinMs);
  for (let at = 0; ; ) {
    const joins = at < order.length ? (joinMs[order[at] as number] as number) : Number.POSITIVE_INFINITY;
    const endsAt = ends.leastKey;
    if (joins === Number.POSITIVE_INFINITY && endsAt === Number.POSITIVE_INFINITY) return;
    if (endsAt <= joins) {
      const index = ends.least;
      const group = groups[index] as DecodeGroup;
      group.advance(endsAt);
      group.endDone();
      loads.set(index, group.load);
      ends.set(index, group.nextEndMs);
      continue;
    }
    const request = order[at++] as number;
    if ((trace.outputTokens[request] as number) === 1) {
      outEndMs[request] = firstMs[request] as number;
      continue;
    }
    const index = loads.least;
    const group = groups[index] as DecodeGroup;
    group.advance(joins);
    group.join(request);
    loads.set(index, group.load);
    ends.set(index, group.nextEndMs);
  }
}
