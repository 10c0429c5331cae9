import type { Clock } from '@tercet/base';
import { type RoleName, type SpanName, toTercetError, type wire } from '@tercet/contracts';
import type { ServiceMetrics, SpanAttributes, Tracer } from '@tercet/telemetry';

export interface CallMeasures {
  readonly metrics: ServiceMetrics<'stage'>;
  readonly tracer: Tracer;
  readonly clock: Clock;
}

/** Counts the calls of the stages and records their spans, however they end. What they answer stays as it is. */
export class MeasuredCalls {
  readonly #measures: CallMeasures;

  constructor(measures: CallMeasures) {
    this.#measures = measures;
  }

  async *encodeTiles(
    request: wire.EncodeTilesRequest,
    responses: AsyncIterable<wire.EncodeTilesResponse>,
  ): AsyncGenerator<wire.EncodeTilesResponse> {
    using call = new MeasuredCall(this.#measures, 'encode', request.context?.traceparent);
    try {
      for await (const response of responses) {
        const tiles = request.tiles.length;
        const { cachedTiles, tokensPerTile, timings } = response;
        call.spent('compute', timings?.computeMs);
        call.done(tiles * tokensPerTile);
        call.span('encode', call.startMs, { tiles, cachedTiles });
        this.#measures.metrics.count('tercet_media_tiles_total', { source: 'cache' }, cachedTiles);
        this.#measures.metrics.count('tercet_media_tiles_total', { source: 'computed' }, tiles - cachedTiles);
        yield response;
      }
    } catch (error) {
      call.failed(error);
      throw error;
    }
  }

  async embedText(
    request: wire.EmbedTextRequest,
    answer: Promise<wire.EmbedTextResponse>,
  ): Promise<wire.EmbedTextResponse> {
    using call = new MeasuredCall(this.#measures, 'encode', request.context?.traceparent);
    try {
      const response = await answer;
      const tokens = request.inputs.reduce((sum, { ids }) => sum + ids.length, 0);
      call.spent('compute', response.timings?.computeMs);
      call.done(tokens);
      call.span('encode', call.startMs, { texts: request.inputs.length, tokens });
      return response;
    } catch (error) {
      call.failed(error);
      throw error;
    }
  }

  async *prefill(
    request: wire.PrefillRequest,
    events: AsyncIterable<wire.PrefillEvent>,
  ): AsyncGenerator<wire.PrefillEvent> {
    using call = new MeasuredCall(this.#measures, 'prefill', request.context?.traceparent);
    let cachedTokens = 0;
    try {
      for await (const { event } of events) {
        if (event?.$case === 'started') cachedTokens = event.value.cachedTokens;
        if (event?.$case === 'firstToken') {
          const tokens = request.tokenIds.length;
          call.spentAll(event.value.timings);
          call.done(tokens);
          recordPrefill(call, event.value.timings, { tokens, cachedTokens, hasMedia: request.media.length > 0 });
        }
        yield { event };
      }
    } catch (error) {
      call.failed(error);
      throw error;
    }
  }

  async *decode(
    commands: AsyncIterable<wire.DecodeCommand>,
    decode: (commands: AsyncIterable<wire.DecodeCommand>) => AsyncIterable<wire.DecodeEvent>,
  ): AsyncGenerator<wire.DecodeEvent> {
    using call = new MeasuredCall(this.#measures, 'decode', undefined);
    const { clock } = this.#measures;
    let firstMs: number | undefined;
    try {
      for await (const { event } of decode(tracedBy(call, commands))) {
        if (event?.$case === 'ready') {
          const transferMs = event.value.timings?.transferMs ?? 0;
          call.transferred('kv', transferMs);
          call.span('kvTransfer', clock.nowMs() - transferMs);
        }
        if (event?.$case === 'token') firstMs ??= clock.nowMs();
        if (event?.$case === 'finished') {
          const { tokens, timings } = event.value;
          call.spentAll(timings);
          call.done(tokens);
          if (firstMs !== undefined) call.span('decode', firstMs, { tokens });
        }
        yield { event };
      }
    } catch (error) {
      call.failed(error);
      throw error;
    }
  }
}

/** One call of a stage: what it was spent on and how it ended. */
class MeasuredCall implements Disposable {
  readonly startMs: number;
  traceparent: string;
  readonly #measures: CallMeasures;
  readonly #role: RoleName;
  #outcome = 'cancelled';
  #isDone = false;

  constructor(measures: CallMeasures, role: RoleName, traceparent: string | undefined) {
    this.#measures = measures;
    this.#role = role;
    this.traceparent = traceparent ?? '';
    this.startMs = measures.clock.nowMs();
  }

  /** The stage has answered; whatever ends the call from here on is no failure of it. */
  done(tokens: number): void {
    this.#isDone = true;
    this.#outcome = 'ok';
    this.#measures.metrics.count('tercet_stage_tokens_total', { role: this.#role }, tokens);
  }

  failed(error: unknown): void {
    if (this.#isDone) return;
    this.#outcome = toTercetError(error).code;
    const { tracer, clock } = this.#measures;
    const { traceparent, startMs } = this;
    tracer.record({ name: this.#role, traceparent, startMs, endMs: clock.nowMs(), error: this.#outcome });
  }

  spent(part: 'queue' | 'transfer' | 'compute', ms = 0): void {
    this.#measures.metrics.observe('tercet_stage_seconds', { role: this.#role, part }, ms / 1000);
  }

  spentAll({ queueMs, transferMs, computeMs }: wire.StageTimings = { queueMs: 0, transferMs: 0, computeMs: 0 }): void {
    this.spent('queue', queueMs);
    this.spent('transfer', transferMs);
    this.spent('compute', computeMs);
  }

  /** A part that ends now. */
  span(name: SpanName, startMs: number, attributes: SpanAttributes = {}): void {
    this.spanUntil(name, { startMs, endMs: this.#measures.clock.nowMs() }, attributes);
  }

  spanUntil(name: SpanName, times: { startMs: number; endMs: number }, attributes: SpanAttributes = {}): void {
    this.#measures.tracer.record({ name, traceparent: this.traceparent, ...times, attributes });
  }

  transferred(tensor: 'media' | 'kv', ms: number): void {
    this.#measures.metrics.observe('tercet_transfer_seconds', { tensor }, ms / 1000);
  }

  [Symbol.dispose](): void {
    this.#measures.metrics.count('tercet_stage_requests_total', { role: this.#role, outcome: this.#outcome });
  }
}

/** The parts of TTFT that a prefill pod knows, one after the other; the last one ends with the first token, now. */
function recordPrefill(
  call: MeasuredCall,
  { transferMs, queueMs }: wire.StageTimings = { transferMs: 0, queueMs: 0, computeMs: 0 },
  { hasMedia, ...attributes }: { hasMedia: boolean; tokens: number; cachedTokens: number },
): void {
  const transferredMs = call.startMs + transferMs;
  const startedMs = transferredMs + queueMs;
  if (hasMedia) {
    call.transferred('media', transferMs);
    call.spanUntil('mediaTransfer', { startMs: call.startMs, endMs: transferredMs });
  }
  call.spanUntil('prefillQueue', { startMs: transferredMs, endMs: startedMs });
  call.span('prefill', startedMs, attributes);
}

/** The commands as they come; the first one says which trace the call belongs to. */
async function* tracedBy(
  call: MeasuredCall,
  commands: AsyncIterable<wire.DecodeCommand>,
): AsyncGenerator<wire.DecodeCommand> {
  for await (const { command } of commands) {
    if (command?.$case === 'open') call.traceparent = command.value.context?.traceparent ?? '';
    yield { command };
  }
}
