import type { KvDemand, SlotId } from '@tercet/kv';
import type { WorkId } from '@tercet/scheduler';
import type { DecodeOutput, DecodeTask, EmbedTask, EncodeTask, PrefillOutput, PrefillTask } from '../stage-engine.js';
import type { Channel } from './channel.js';
import type { SlotExport } from './kv-export.js';
import type { Sampler } from './sampler.js';

/**
 * One request's piece of work, owned by the step loop from `add` until it ended. A slot is held by whoever may touch
 * its memory: the running step, the sequence, the reader of an export; it goes back when the last of them lets go.
 */
export type Work = PrefillWork | DecodeWork | EncodeWork | EmbedWork;

interface AnyWork {
  readonly id: WorkId;
  /** Why it ended without a result. Set once; a work with a failure is skipped wherever it still turns up. */
  failure?: { readonly error: unknown };
  readonly queuedAtMs: number;
}

export interface SlotHold {
  readonly slot: SlotId;
  holds: number;
}

export interface PrefillWork extends AnyWork {
  readonly kind: 'prefill';
  readonly task: PrefillTask;
  readonly demand: KvDemand;
  readonly sampler: Sampler;
  readonly outputs: Channel<PrefillOutput>;
  admission?: PrefillAdmission;
  /** The reader has `started`, and with it the duty to release the export. */
  exportDelivered: boolean;
}

export interface PrefillAdmission {
  readonly hold: SlotHold;
  readonly kv: SlotExport;
  readonly cachedTokens: number;
  readonly atMs: number;
}

export interface DecodeWork extends AnyWork {
  readonly kind: 'decode';
  readonly task: DecodeTask;
  readonly sampler: Sampler;
  readonly outputs: Channel<DecodeOutput>;
  /** Resolves when the slot is there. */
  readonly admitted: PromiseWithResolvers<void>;
  /** Rows that this sequence can ever need. */
  readonly rowsMax: number;
  hold?: SlotHold;
  /** Rows that its committed blocks hold. */
  roomTokens: number;
  run?: DecodeRun;
}

/** The next row to compute: this token at this position. */
export interface DecodeRun {
  tokenId: number;
  position: number;
  produced: number;
  readonly startedAtMs: number;
}

export interface EncodeWork extends AnyWork {
  readonly kind: 'encode';
  readonly task: EncodeTask;
  readonly unitTokens: readonly number[];
  readonly out: Float32Array;
  readonly done: PromiseWithResolvers<Float32Array>;
}

export interface EmbedWork extends AnyWork {
  readonly kind: 'embed';
  readonly task: EmbedTask;
  readonly unitTokens: readonly number[];
  readonly out: Float32Array[];
  readonly done: PromiseWithResolvers<Float32Array[]>;
}

/** Ends a work without a result: whoever waits for it gets the error. */
export function failWork(work: Work, error: unknown): void {
  work.failure ??= { error };
  switch (work.kind) {
    case 'prefill':
      work.admission?.kv.fail(error);
      work.outputs.fail(error);
      return;
    case 'decode':
      work.admitted.reject(error);
      work.outputs.fail(error);
      return;
    case 'encode':
    case 'embed':
      work.done.reject(error);
      return;
    default:
      work satisfies never;
  }
}
