import type { FleetShape, GroupLimits } from '@tercet/allocation';

/**
 * What is believed of a pod: its limits, and what moving tensors costs between processes of one machine. Of its steps
 * nothing is believed: the planner proposes nothing before they were measured.
 */
export function believedShape(group: GroupLimits & Pick<FleetShape, 'batchTokensMax' | 'chunkTokens'>): FleetShape {
  const unknown = { fixedMs: 0, perContextTokenMs: 0, perSequenceMs: 0 };
  const transfer = { handshakeMs: 1, bytesPerMs: 1e6 };
  return {
    ...group,
    costs: {
      encode: { fixedMs: 0, perPatchMs: 0 },
      prefill: { fixedMs: 0, perTokenMs: 0, perTokenSquaredMs: 0 },
      decode: { small: unknown, large: unknown, smallBatchMax: 0 },
      mediaTransfer: transfer,
      kvTransfer: transfer,
      mediaBytesPerPatch: 0,
      kvBytesPerToken: 0,
    },
  };
}
