import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, wire } from '@tercet/contracts';
import type { PodFacts } from '@tercet/facts';
import type { GrpcChannel } from '@tercet/grpc';
import type { Log } from '@tercet/telemetry';

export interface FollowedPod {
  readonly endpoint: string;
  readonly channel: GrpcChannel;
  readonly facts: PodFacts;
}

/** Between two streams of one pod. */
const againMs = 250;

/**
 * Keeps what is known of a pod's caches true: goes on where the stream broke, and begins anew when something of it is
 * missing. Ends with the signal.
 */
export async function followFacts(
  { endpoint, channel, facts }: FollowedPod,
  { onGap, log }: { readonly onGap: () => void; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  let wasHeard = true;
  while (!signal.aborted) {
    try {
      for await (const message of channel.client(wire.FactsDefinition).watchFacts(facts.place, { signal })) {
        wasHeard = true;
        if (facts.apply(message) !== 'gap') continue;
        onGap();
        log.info('facts.gap', { endpoint, sequence: message.sequence });
        break;
      }
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
      if (wasHeard && !signal.aborted) log.info('facts.lost', { endpoint, code: error.code });
      wasHeard = false;
    }
    facts.pause();
    await sleep(againMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Tells the steps of a pod to `onWork`. A pod that does not answer shows where its facts are followed. */
export async function followWork(
  { channel }: FollowedPod,
  { intervalMs, onWork }: { readonly intervalMs: number; readonly onWork: (work: readonly wire.WorkSample[]) => void },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const reports = channel.client(wire.WorkerDefinition).watchLoad({ intervalMs }, { signal });
      for await (const { work } of reports) onWork(work);
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
