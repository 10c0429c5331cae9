import { wire } from '@tercet/contracts';
import type { StageCalls } from '../pipeline/stage-calls.js';
import type { Pod } from './pod-table.js';

/** The pipeline's calls over gRPC; each counts at its pod until it ends. */
export const grpcCalls: StageCalls<Pod> = {
  encodeTiles: (pod, request, signal) =>
    countedStream(pod, pod.channel.client(wire.EncodeDefinition).encodeTiles(request, { signal })),
  embedText: (pod, request, signal) =>
    counted(pod, pod.channel.client(wire.EncodeDefinition).embedText(request, { signal })),
  prefill: (pod, request, signal) =>
    countedStream(pod, pod.channel.client(wire.PrefillDefinition).prefill(request, { signal })),
  decode: (pod, commands, signal) =>
    countedStream(pod, pod.channel.client(wire.DecodeDefinition).decode(commands, { signal })),
};

async function counted<T>(pod: Pod, call: Promise<T>): Promise<T> {
  pod.calls++;
  return call.finally(() => pod.calls--);
}

async function* countedStream<T>(pod: Pod, call: AsyncIterable<T>): AsyncGenerator<T> {
  pod.calls++;
  try {
    yield* call;
  } finally {
    pod.calls--;
  }
}
