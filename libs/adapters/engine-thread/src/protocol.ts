import { type ErrorCode, type ErrorDetails, isErrorCode, TercetError, toTercetError } from '@tercet/contracts';
import type {
  DecodeOutput,
  DecodeTask,
  EmbedTask,
  EncodeTask,
  EngineDescriptor,
  EngineLoad,
  PrefillOutput,
  PrefillTask,
  PrefixChange,
} from '@tercet/engine';

/** Asked by the thread that owns the engine's calls. `id` names a call, and the KV or session that it gave. */
export type Command =
  | { readonly kind: 'encode'; readonly id: number; readonly task: EncodeTask }
  | { readonly kind: 'embed'; readonly id: number; readonly task: EmbedTask }
  | { readonly kind: 'prefill'; readonly id: number; readonly task: PrefillTask }
  | { readonly kind: 'reserve'; readonly id: number; readonly task: DecodeTask }
  | { readonly kind: 'run'; readonly id: number; readonly firstTokenId: number }
  | { readonly kind: 'abort'; readonly id: number; readonly error: ErrorOnWire }
  /** The KV of a prompt is read, or a session is given up. */
  | { readonly kind: 'release'; readonly id: number }
  | { readonly kind: 'close'; readonly id: number };

/** Told by the engine's thread. */
export type Event =
  | {
      readonly kind: 'open';
      readonly descriptor: EngineDescriptor;
      readonly load: SharedArrayBuffer;
      readonly work: SharedArrayBuffer;
    }
  /** Memory is wanted: its address goes into the second element, and the first wakes the thread. */
  | { readonly kind: 'allocate'; readonly bytes: number; readonly answer: SharedArrayBuffer }
  | { readonly kind: 'done'; readonly id: number; readonly value?: Float32Array | Float32Array[] | KvPlaces }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorOnWire }
  | ({ readonly kind: 'started'; readonly id: number; readonly kv: KvPlaces } & Omit<Started, 'kind' | 'kv'>)
  | { readonly kind: 'layers'; readonly id: number; readonly done: number }
  | { readonly kind: 'kvFailed'; readonly id: number; readonly error: ErrorOnWire }
  | { readonly kind: 'prefixes'; readonly change: PrefixChange }
  | { readonly kind: 'output'; readonly id: number; readonly output: FirstToken | DecodeOutput };

type Started = PrefillOutput & { kind: 'started' };
export type FirstToken = PrefillOutput & { kind: 'firstToken' };

/** Where the rows of K and V of each layer lie in the arena: K of layer 0, V of layer 0, K of layer 1, …, in bytes. */
export interface KvPlaces {
  readonly tokens: number;
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export interface ErrorOnWire {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly cause?: string;
}

export function errorToWire(error: unknown): ErrorOnWire {
  const { code, details, cause } = toTercetError(error, 'stage_failed');
  return { code, details: { ...details }, ...(cause === undefined ? {} : { cause: String(cause) }) };
}

export function errorFromWire({ code, details, cause }: ErrorOnWire): TercetError {
  return new TercetError(isErrorCode(code) ? code : 'stage_failed', details, cause === undefined ? {} : { cause });
}

const loadFields = [
  'waiting',
  'running',
  'kvBlocksUsed',
  'kvBlocksTotal',
  'steps',
  'stepMsMean',
  'prefixCachedTokens',
] as const satisfies readonly (keyof EngineLoad)[];

/** The load, in memory that both threads see: reading it never waits for a step. */
export class SharedLoad {
  readonly buffer: SharedArrayBuffer;
  readonly #values: Float64Array;

  constructor(buffer = new SharedArrayBuffer(loadFields.length * 8)) {
    this.buffer = buffer;
    this.#values = new Float64Array(buffer);
  }

  write(load: EngineLoad): void {
    for (const [i, field] of loadFields.entries()) this.#values[i] = load[field];
  }

  read(): EngineLoad {
    const entries = loadFields.map((field, i) => [field, this.#values[i] ?? 0] as const);
    return Object.fromEntries(entries) as unknown as EngineLoad;
  }
}
