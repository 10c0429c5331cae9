import { Counter, Gauge, Histogram, Registry } from '@tercet/telemetry';
import type { AnswerEvent } from './pipeline/request.js';

const partNames = ['queue', 'mediaFetch', 'encode', 'mediaTransfer', 'prefillQueue', 'prefill'] as const;
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const tokenBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** What the gateway counts; names and buckets are pinned by a golden file. */
export class GatewayMetrics {
  readonly registry = new Registry();
  readonly #requests = this.#counter('tercet_requests_total', 'Requests by how they ended.', ['model', 'outcome']);
  readonly #tokens = this.#counter('tercet_tokens_total', 'Prompt and answer tokens.', ['model', 'kind']);
  readonly #replans = this.#counter('tercet_replans_total', 'Attempts after the first.', ['model']);
  readonly #ttft = this.#histogram(
    'tercet_ttft_seconds',
    'Request accepted to first token.',
    ['model'],
    secondsBuckets,
  );
  readonly #parts = this.#histogram(
    'tercet_ttft_part_seconds',
    'Parts of TTFT along the critical path; they add up to it.',
    ['model', 'part'],
    secondsBuckets,
  );
  readonly #handover = this.#histogram('tercet_handover_seconds', 'First to second token.', ['model'], secondsBuckets);
  readonly #tpot = this.#histogram(
    'tercet_tpot_seconds',
    'Time per output token after the first.',
    ['model'],
    tokenBuckets,
  );
  readonly #running = new Gauge({
    name: 'tercet_requests_running',
    help: 'Requests that run now.',
    registers: [this.registry],
  });
  readonly #waiting = new Gauge({
    name: 'tercet_requests_waiting',
    help: 'Requests that wait for room to run.',
    registers: [this.registry],
  });

  /** How many requests run and wait, after a change. */
  admitted({ running, waiting }: { readonly running: number; readonly waiting: number }): void {
    this.#running.set(running);
    this.#waiting.set(waiting);
  }

  /** @param outcome `ok`, or the error code */
  ended(model: string, outcome: string): void {
    this.#requests.inc({ model, outcome });
  }

  finished(model: string, { usage, timeline }: Extract<AnswerEvent, { kind: 'finished' }>): void {
    const { promptTokens, completionTokens, cachedTokens, mediaTokens } = usage;
    const counts = { prompt: promptTokens, completion: completionTokens, cached: cachedTokens, media: mediaTokens };
    for (const [kind, count] of Object.entries(counts)) this.#tokens.inc({ model, kind }, count);
    if (timeline.attempts > 1) this.#replans.inc({ model }, timeline.attempts - 1);
    this.#ttft.observe({ model }, timeline.ttftMs / 1000);
    for (const part of partNames) this.#parts.observe({ model, part }, timeline.parts[`${part}Ms`] / 1000);
    if (completionTokens < 2) return;
    this.#handover.observe({ model }, timeline.handoverMs / 1000);
    this.#tpot.observe({ model }, (timeline.handoverMs + timeline.decodeMs) / 1000 / (completionTokens - 1));
  }

  embedded(model: string, inputs: readonly (readonly number[])[]): void {
    const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
    this.#tokens.inc({ model, kind: 'prompt' }, tokens);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
