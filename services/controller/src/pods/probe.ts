import { type ErrorCode, toTercetError, wire } from '@tercet/contracts';
import type { GrpcChannel } from '@tercet/grpc';
import { stageOf } from '../stages.js';

/** What a pod answers that does not serve the role: the gate of role and epoch, or no such service at all. */
const refusals: ReadonlySet<ErrorCode> = new Set(['epoch_stale', 'stage_protocol']);
/** What says nothing about its role. */
const inconclusive: ReadonlySet<ErrorCode> = new Set(['pod_unreachable', 'draining', 'deadline_exceeded', 'cancelled']);

/**
 * Whether a pod refuses the calls of the role and epoch that it claims. It is called with nothing in the request but
 * its model: a pod that serves the role lets the call in and then refuses the request, before any work.
 * @returns `undefined` when it moved on meanwhile, or when nothing can be told
 */
export async function refusesItsRole(
  channel: GrpcChannel,
  claim: wire.WorkerStatus,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const code = await answerTo(channel, claim, signal);
  if (inconclusive.has(code)) return undefined;
  if (!refusals.has(code)) return false;
  const { role, epoch, phase } = await channel.client(wire.WorkerDefinition).getStatus({}, { signal });
  return role === claim.role && epoch === claim.epoch && phase === claim.phase ? true : undefined;
}

async function answerTo(channel: GrpcChannel, { role, epoch, model }: wire.WorkerStatus, signal: AbortSignal) {
  const context = { requestId: 'controller-probe', attempt: 1, role, epoch };
  try {
    switch (stageOf(role)) {
      case 'encode':
        for await (const _ of channel.client(wire.EncodeDefinition).encodeTiles({ context, model }, { signal })) break;
        break;
      case 'prefill':
        for await (const _ of channel.client(wire.PrefillDefinition).prefill({ context, model }, { signal })) break;
        break;
      case 'decode':
        for await (const _ of channel.client(wire.DecodeDefinition).decode(opened({ context, model }), { signal }))
          break;
        break;
      case undefined:
        break;
    }
    return 'empty_answer';
  } catch (error) {
    return toTercetError(error).code;
  }
}

async function* opened(value: wire.DeepPartial<wire.DecodeOpen>): AsyncGenerator<wire.DeepPartial<wire.DecodeCommand>> {
  yield { command: { $case: 'open', value } };
}
