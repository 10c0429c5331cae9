import type { wire } from '@tercet/contracts';
import type { PodView } from './plan.js';

/** Port: the calls that the pipeline makes to a pod of each stage. gRPC in the system, memory in tests. */
export interface StageCalls<Pod> {
  encodeTiles(pod: Pod, request: wire.EncodeTilesRequest, signal: AbortSignal): AsyncIterable<wire.EncodeTilesResponse>;
  embedText(pod: Pod, request: wire.EmbedTextRequest, signal: AbortSignal): Promise<wire.EmbedTextResponse>;
  prefill(pod: Pod, request: wire.PrefillRequest, signal: AbortSignal): AsyncIterable<wire.PrefillEvent>;
  decode(pod: Pod, commands: AsyncIterable<wire.DecodeCommand>, signal: AbortSignal): AsyncIterable<wire.DecodeEvent>;
}

/** Port: the pods that are there now. */
export interface PodSource<Pod> {
  ready(): readonly PodView<Pod>[];
  /** Nothing is sent there until it was asked again. */
  forget(pod: Pod): void;
  /** So much prefill goes there: until it is disposed of, the plans of others reckon with it. */
  expect(pod: Pod, prefillMs: number): Disposable;
  /** @throws no_pod when the signal aborts before anything changed */
  changed(signal: AbortSignal): Promise<void>;
}
