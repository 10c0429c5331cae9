import {
  type ErrorCode,
  errorTable,
  isErrorCode,
  type KeyRefusal,
  type LabelsOf,
  type RoleName,
  roleNameOf,
  ttftParts,
} from '@tercet/contracts';
import { type Exposition, observeEventLog, ServiceMetrics, watchCertificate } from '@tercet/telemetry';
import { BatchMetrics } from './batches/batch-metrics.js';
import type { Demand } from './pipeline/demand.js';
import type { PodView } from './pipeline/plan.js';
import type { AnswerEvent, Timeline } from './pipeline/request.js';

/** What a request must meet to count as good. */
export interface Slo {
  readonly ttftMs: number;
  readonly tpotMs: number;
  /** Share of the offered requests. */
  readonly attainment: number;
}

export interface GatewayMetricsOptions {
  readonly slo: Slo;
  readonly runningMax: number;
}

export interface ModelRoles {
  readonly model: string;
  readonly roles: readonly RoleName[];
}

/** What the gateway counts. */
export class GatewayMetrics implements Exposition {
  readonly #metrics = new ServiceMetrics('gateway');
  /** Of the batches that this gateway runs. */
  readonly batches = new BatchMetrics(this.#metrics);
  /** Of the event log. */
  readonly observe = observeEventLog(this.#metrics);
  readonly #slo: Slo;

  constructor({ slo, runningMax }: GatewayMetricsOptions) {
    this.#slo = slo;
    this.admitted({ running: 0, waiting: 0 });
    this.#metrics.set('tercet_requests_running_max', {}, runningMax);
    this.#metrics.set('tercet_slo_seconds', { objective: 'ttft' }, slo.ttftMs / 1000);
    this.#metrics.set('tercet_slo_seconds', { objective: 'tpot' }, slo.tpotMs / 1000);
    this.#metrics.set('tercet_slo_attainment_ratio', {}, slo.attainment);
  }

  get contentType(): string {
    return this.#metrics.contentType;
  }

  text(): Promise<string> {
    return this.#metrics.text();
  }

  /** How many requests run and wait, after a change. */
  admitted({ running, waiting }: { readonly running: number; readonly waiting: number }): void {
    this.#metrics.set('tercet_requests_running', {}, running);
    this.#metrics.set('tercet_requests_waiting', {}, waiting);
  }

  /** @param outcome `ok`, or the error code */
  ended(model: string, outcome: string): void {
    this.#metrics.count('tercet_requests_total', { model, outcome });
    if (isErrorCode(outcome) && isOurs(outcome)) this.#offered(model, false);
  }

  finished(model: string, { usage, timeline }: Extract<AnswerEvent, { kind: 'finished' }>): void {
    const metrics = this.#metrics;
    const { promptTokens, completionTokens, cachedTokens, mediaTokens } = usage;
    metrics.count('tercet_tokens_total', { model, kind: 'prompt' }, promptTokens);
    metrics.count('tercet_tokens_total', { model, kind: 'completion' }, completionTokens);
    metrics.count('tercet_tokens_total', { model, kind: 'cached' }, cachedTokens);
    metrics.count('tercet_tokens_total', { model, kind: 'media' }, mediaTokens);
    metrics.count('tercet_replans_total', { model }, timeline.attempts - 1);
    metrics.observe('tercet_ttft_seconds', { model }, timeline.ttftMs / 1000);
    for (const part of ttftParts) {
      metrics.observe('tercet_ttft_part_seconds', { model, part }, timeline.parts[`${part}Ms`] / 1000);
    }
    const tpotMs = tpotOf(timeline, completionTokens);
    this.#offered(model, timeline.ttftMs <= this.#slo.ttftMs && (tpotMs ?? 0) <= this.#slo.tpotMs);
    if (tpotMs === undefined) return;
    metrics.observe('tercet_handover_seconds', { model }, timeline.handoverMs / 1000);
    metrics.observe('tercet_tpot_seconds', { model }, tpotMs / 1000);
  }

  embedded(model: string, inputs: readonly (readonly number[])[]): void {
    const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
    this.#metrics.count('tercet_tokens_total', { model, kind: 'prompt' }, tokens);
  }

  /** An HTTP request got an error instead of an answer; what fails in the middle of a stream is not among them. */
  refused(code: ErrorCode): void {
    this.#metrics.count('tercet_http_errors_total', { code });
  }

  /** A request got no room. */
  roomless(limit: LabelsOf<'tercet_admission_refused_total'>['limit']): void {
    this.#metrics.count('tercet_admission_refused_total', { limit });
  }

  keyRefused(reason: KeyRefusal): void {
    this.#metrics.count('tercet_keys_refused_total', { reason });
  }

  watchCertificate(certificate: { readonly endUnixMs: number }): void {
    watchCertificate(this.#metrics, certificate);
  }

  exported(outcome: 'ok' | 'failed'): void {
    this.#metrics.count('tercet_trace_exports_total', { outcome });
  }

  routed(model: string, reason: LabelsOf<'tercet_routes_total'>['reason']): void {
    this.#metrics.count('tercet_routes_total', { model, reason });
  }

  /** Prompt tokens that were expected to be cached at a pod, and those that were. */
  predicted(model: string, { expected, found }: { readonly expected: number; readonly found: number }): void {
    const metric = 'tercet_route_tokens_total';
    this.#metrics.count(metric, { model, result: 'found' }, Math.min(expected, found));
    this.#metrics.count(metric, { model, result: 'missing' }, Math.max(0, expected - found));
    this.#metrics.count(metric, { model, result: 'unforeseen' }, Math.max(0, found - expected));
  }

  /** Reads, at every scrape, how much is known of the pods' caches. */
  watchFacts(read: () => { readonly prefix: number; readonly media: number; readonly gaps: number }): void {
    this.#metrics.onScrape(() => {
      const { prefix, media, gaps } = read();
      this.#metrics.set('tercet_route_facts', { kind: 'prefix' }, prefix);
      this.#metrics.set('tercet_route_facts', { kind: 'media' }, media);
      this.#metrics.countTo('tercet_fact_gaps_total', {}, gaps);
    });
  }

  /** Counts the pods that are ready, at every scrape. @param models all that are served, with the roles they need */
  watchPods(models: readonly ModelRoles[], ready: () => readonly Pick<PodView<unknown>, 'model' | 'role'>[]): void {
    this.#metrics.onScrape(() => {
      const pods = ready();
      for (const { model, roles } of models) {
        for (const role of roles) {
          const count = pods.filter((pod) => pod.model === model && roleNameOf(pod.role) === role).length;
          this.#metrics.set('tercet_pods', { model, role }, count);
        }
      }
    });
  }

  /** How many requests wait for a pod, at every scrape. */
  watchDemand(demand: Pick<Demand, 'report'>): void {
    this.#metrics.onScrape(() => {
      for (const { model, held } of demand.report()) this.#metrics.set('tercet_requests_held', { model }, held);
    });
  }

  #offered(model: string, met: boolean): void {
    this.#metrics.count('tercet_slo_requests_total', { model, result: met ? 'met' : 'missed' });
  }
}

/** A one-token answer has none. */
function tpotOf({ handoverMs, decodeMs }: Timeline, tokens: number): number | undefined {
  return tokens < 2 ? undefined : (handoverMs + decodeMs) / (tokens - 1);
}

/** A request that was refused for want of capacity, or failed, missed its SLO; one that was wrong or left did not. */
function isOurs(code: ErrorCode): boolean {
  const { http } = errorTable[code];
  return http === 429 || http >= 500;
}
