import { TercetError, wire } from '@tercet/contracts';
import { encodeRequest, shardsOf, spansOf } from './encode.js';
import type { PodView, RoutePlan } from './plan.js';
import type { PreparedPrompt } from './prepare.js';
import type { StageCalls } from './stage-calls.js';
import type { PrefillTimes, Stopwatch } from './stopwatch.js';

export interface AttemptOptions<Pod> {
  readonly calls: StageCalls<Pod>;
  readonly plan: RoutePlan<Pod>;
  readonly prompt: PreparedPrompt;
  /** Tokens that the client has already, from attempts before this one. */
  readonly generated: readonly number[];
  readonly sampling: wire.Sampling;
  /** Tokens that may still come. */
  readonly tokensLeft: number;
  readonly model: string;
  readonly context: Omit<wire.CallContext, 'role' | 'epoch'>;
  readonly stopwatch: Stopwatch;
  /** A stage failed: which pod it was. */
  readonly onFailure: (view: PodView<Pod>, error: unknown) => void;
}

export type AttemptEvent =
  | { readonly kind: 'started'; readonly cachedTokens: number }
  | { readonly kind: 'token'; readonly token: wire.SampledToken; readonly prefill?: PrefillTimes }
  | { readonly kind: 'finished'; readonly reason: 'stop' | 'length' };

/**
 * One try of a planned request: encode, prefill, decode. Whatever ends it, by failure, by a stop string or because the
 * client left, all its calls are cancelled and the stages free what they hold.
 */
export async function* runAttempt<Pod>(
  options: AttemptOptions<Pod>,
  signal: AbortSignal,
): AsyncGenerator<AttemptEvent> {
  const { plan, stopwatch, tokensLeft } = options;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const open: { close(): void }[] = [];
  try {
    const media = await encodeMedia(options, open, either);
    stopwatch.mark('encoded');
    const handsOver = plan.decode !== undefined && tokensLeft > 1;
    const prefill = new PrefillCall(options, { media, discardKv: !handsOver }, either);
    open.push(prefill);
    const started = await prefill.started();
    yield { kind: 'started', cachedTokens: started.cachedTokens };
    const decode = handsOver ? new DecodeCall(options, started.kvLease, either) : undefined;
    if (decode !== undefined) open.push(decode);
    const first = await prefill.firstToken();
    if (first.endOfText) return yield { kind: 'finished', reason: 'stop' };
    yield { kind: 'token', token: first.token, prefill: first.times };
    if (decode === undefined) return yield { kind: 'finished', reason: 'length' };
    yield* decode.tokens(first.token.tokenId);
  } finally {
    over.abort(new TercetError('cancelled'));
    for (const call of open) call.close();
  }
}

/** Media tokens of all images, from all encoders at the same time. The calls stay open until the tokens were read. */
async function encodeMedia<Pod>(
  options: AttemptOptions<Pod>,
  open: { close(): void }[],
  signal: AbortSignal,
): Promise<wire.MediaSpan[]> {
  const { calls, plan, prompt, model } = options;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const shards = shardsOf(prompt.tiles, plan.encoders).map(async (shard) => {
    const { encoder } = shard;
    try {
      const reader = plan.prefill.podId;
      const request = encodeRequest(shard, prompt, { context: contextFor(options, encoder), model, reader });
      const responses = calls.encodeTiles(encoder.pod, request, either)[Symbol.asyncIterator]();
      open.push({ close: () => void closed(responses) });
      const { value, done } = await responses.next();
      if (done === true) throw new TercetError('stage_protocol', { stage: 'encode', expected: 'a lease' });
      void readToEnd(responses);
      return spansOf(shard, value);
    } catch (error) {
      if (!either.aborted) options.onFailure(encoder, error);
      failed.abort(error);
      throw error;
    }
  });
  const spans = (await Promise.all(shards)).flat();
  return spans.toSorted((a, b) => a.start - b.start);
}

/** The call to the prefill pod. It lasts until its KV was read, so it is read to its end beside decode. */
class PrefillCall<Pod> {
  readonly #options: AttemptOptions<Pod>;
  readonly #events: AsyncIterator<wire.PrefillEvent>;
  readonly #signal: AbortSignal;

  constructor(
    options: AttemptOptions<Pod>,
    { media, discardKv }: { media: wire.MediaSpan[]; discardKv: boolean },
    signal: AbortSignal,
  ) {
    const { calls, plan, prompt, generated, sampling, model } = options;
    this.#options = options;
    this.#signal = signal;
    const request: wire.PrefillRequest = {
      context: contextFor(options, plan.prefill),
      model,
      tokenIds: [...prompt.tokenIds, ...generated],
      media,
      sampling,
      generatedTokens: generated.length,
      discardKv,
      reader: discardKv ? '' : (plan.decode?.podId ?? ''),
    };
    this.#events = calls.prefill(plan.prefill.pod, request, signal)[Symbol.asyncIterator]();
  }

  /** Nobody reads on: what stands suspended in the call may let go. */
  close(): void {
    void closed(this.#events);
  }

  async started(): Promise<wire.PrefillStarted> {
    const event = await this.#next();
    if (event?.$case !== 'started') throw this.#broken('started', event?.$case);
    return event.value;
  }

  async firstToken(): Promise<{ token: wire.SampledToken; endOfText: boolean; times: PrefillTimes }> {
    const event = await this.#next();
    if (event?.$case !== 'firstToken') throw this.#broken('firstToken', event?.$case);
    const { token, endOfText, timings } = event.value;
    if (token === undefined) throw this.#broken('a token', 'none');
    // A failure from here on shows at decode, which reads the KV.
    void readToEnd(this.#events);
    const times = { transferMs: timings?.transferMs ?? 0, queueMs: timings?.queueMs ?? 0 };
    return { token, endOfText, times };
  }

  async #next(): Promise<wire.PrefillEvent['event']> {
    try {
      const { value, done } = await this.#events.next();
      return done === true ? undefined : value.event;
    } catch (error) {
      if (!this.#signal.aborted) this.#options.onFailure(this.#options.plan.prefill, error);
      throw error;
    }
  }

  #broken(expected: string, got = 'nothing'): TercetError {
    return new TercetError('stage_protocol', { stage: 'prefill', expected, got });
  }
}

/** The call to the decode pod: it reserves and pulls KV while prefill computes, and waits for the first token. */
class DecodeCall<Pod> {
  readonly #options: AttemptOptions<Pod>;
  readonly #events: AsyncIterator<wire.DecodeEvent>;
  readonly #start = Promise.withResolvers<number>();
  readonly #ready: Promise<void>;
  readonly #signal: AbortSignal;

  constructor(options: AttemptOptions<Pod>, kvLease: wire.TensorLease | undefined, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const pod = this.#view.pod;
    this.#events = options.calls.decode(pod, this.#commands(kvLease), signal)[Symbol.asyncIterator]();
    signal.addEventListener('abort', () => this.#start.reject(signal.reason), { once: true });
    this.#start.promise.catch(() => undefined);
    this.#ready = this.#untilReady();
    this.#ready.catch(() => undefined);
  }

  /** Nobody reads on: what stands suspended in the call may let go. */
  close(): void {
    void closed(this.#events);
  }

  /** Everything after the first token. */
  async *tokens(firstTokenId: number): AsyncGenerator<AttemptEvent> {
    await this.#ready;
    this.#start.resolve(firstTokenId);
    for (;;) {
      const event = await this.#next();
      if (event?.$case === 'token') {
        yield { kind: 'token', token: event.value };
        continue;
      }
      if (event?.$case !== 'finished') throw this.#broken('token or finished', event?.$case);
      const { reason } = event.value;
      if (reason === wire.FinishReason.FINISH_REASON_STOP) return yield { kind: 'finished', reason: 'stop' };
      if (reason === wire.FinishReason.FINISH_REASON_LENGTH) return yield { kind: 'finished', reason: 'length' };
      throw this.#broken('a reason', wire.FinishReason[reason]);
    }
  }

  get #view(): PodView<Pod> {
    return this.#options.plan.decode as PodView<Pod>;
  }

  async *#commands(kvLease: wire.TensorLease | undefined): AsyncGenerator<wire.DecodeCommand> {
    const { prompt, generated, sampling, tokensLeft, model } = this.#options;
    const open: wire.DecodeOpen = {
      context: contextFor(this.#options, this.#view),
      model,
      tokenIds: [...prompt.tokenIds, ...generated],
      generatedTokens: generated.length,
      kvLease,
      sampling,
      tokensMax: tokensLeft - 1,
    };
    yield { command: { $case: 'open', value: open } };
    const firstTokenId = await this.#start.promise;
    yield { command: { $case: 'start', value: { firstTokenId } } };
  }

  async #untilReady(): Promise<void> {
    for (const expected of ['reserved', 'ready'] as const) {
      const event = await this.#next();
      if (event?.$case !== expected) throw this.#broken(expected, event?.$case);
    }
  }

  async #next(): Promise<wire.DecodeEvent['event']> {
    try {
      const { value, done } = await this.#events.next();
      return done === true ? undefined : value.event;
    } catch (error) {
      if (!this.#signal.aborted) this.#options.onFailure(this.#view, error);
      throw error;
    }
  }

  #broken(expected: string, got = 'nothing'): TercetError {
    return new TercetError('stage_protocol', { stage: 'decode', expected, got });
  }
}

/** What was lent is read, or given up with the call; a failure shows where it is read. */
async function readToEnd(events: AsyncIterator<unknown>): Promise<void> {
  try {
    while ((await events.next()).done !== true);
  } catch {}
}

/** Ends an iterator that was cancelled; what it says to that is of no use any more. */
async function closed(events: AsyncIterator<unknown>): Promise<void> {
  await events.return?.().catch(() => undefined);
}

function contextFor<Pod>({ context }: AttemptOptions<Pod>, { role, epoch }: PodView<Pod>): wire.CallContext {
  return { ...context, role, epoch };
}
