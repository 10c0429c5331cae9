import type { wire } from '@tercet/contracts';
import type { RouteReason } from '@tercet/routing';
import type { Priority } from '@tercet/tenancy';
import type { ChatMessage } from '@tercet/text';
import type { ServedModel } from '../models/served-model.js';

/** An image as the client gave it: a URL to fetch, or its bytes. */
export type MediaSource =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export type PromptSource =
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[]; readonly tools?: readonly unknown[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokenIds: readonly number[] };

/** Where a request comes from: stands in every call to a stage. */
export interface Origin {
  readonly tenant: string;
  /** The trace that it belongs to; empty without one. */
  readonly traceparent: string;
}

/** One answer to generate, whatever API it came through. */
export interface GenerationRequest extends Origin {
  readonly requestId: string;
  /** Below that of its tenant, where it is given: batch work, for example. */
  readonly priority?: Priority;
  readonly model: ServedModel;
  readonly prompt: PromptSource;
  /** Media parts of all messages, in order. */
  readonly media: readonly MediaSource[];
  readonly sampling: wire.Sampling;
  /** Tokens of the answer at most; absent: what the context leaves. */
  readonly tokensMax?: number;
  readonly stop: readonly string[];
  readonly timeoutMs?: number;
}

export interface TtftParts {
  readonly queueMs: number;
  readonly mediaFetchMs: number;
  readonly encodeMs: number;
  readonly mediaTransferMs: number;
  readonly prefillQueueMs: number;
  readonly prefillMs: number;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly mediaTokens: number;
}

export interface Timeline {
  readonly requestId: string;
  readonly ttftMs: number;
  readonly parts: TtftParts;
  /** First token to second token, as the client sees them. */
  readonly handoverMs: number;
  /** Second token to last token. */
  readonly decodeMs: number;
  /** Tokens after the first per second from the first on. */
  readonly tokensPerSecond: number;
  readonly attempts: number;
  readonly pods: { readonly encode: readonly string[]; readonly prefill: string; readonly decode: string };
  readonly route?: TakenRoute;
}

/** Why the prefill pod of the last attempt was taken. */
export interface TakenRoute {
  readonly reason: RouteReason;
  /** Tokens of the prompt that were expected to be cached there; absent where only load counts. */
  readonly expectedTokens?: number;
}

export type AnswerEvent =
  /** `patches`: of all its images together. */
  | { readonly kind: 'accepted'; readonly promptTokens: number; readonly patches: number }
  | {
      readonly kind: 'token';
      readonly text: string;
      readonly token: wire.SampledToken;
      /** With the first token: how long it took. */
      readonly ttft?: Pick<Timeline, 'ttftMs' | 'parts'>;
    }
  | {
      readonly kind: 'finished';
      readonly reason: 'stop' | 'length';
      /** Text that was held back until it was certain to be part of the answer. */
      readonly text: string;
      readonly usage: Usage;
      readonly timeline: Timeline;
    };
