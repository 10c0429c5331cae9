import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import type { StageEngine, WorkSample } from '@tercet/engine';
import type { RoleHost } from '@tercet/stage';
import { type Log, type ServiceMetrics, systemClock } from '@tercet/telemetry';
import type { Stage } from './stages.js';

export interface WorkerControlOptions {
  readonly podId: string;
  readonly host: RoleHost<Stage>;
  readonly engine: StageEngine;
  readonly grpcEndpoint: string;
  readonly tensorEndpoint: string;
  readonly metrics: ServiceMetrics<'stage'>;
  readonly log: Log;
}

const intervalMsMin = 50;

/** What others may ask of this process beside its stage: who it is, what it does, and to become something else. */
export class WorkerControl {
  readonly #options: WorkerControlOptions;
  readonly #closed = new AbortController();

  constructor(options: WorkerControlOptions) {
    this.#options = options;
  }

  status(): wire.WorkerStatus {
    const { podId, host, engine, grpcEndpoint, tensorEndpoint } = this.#options;
    const { modelName, modelDigest, kvLayoutDigest, reuse } = engine.descriptor;
    return {
      podId,
      ...host.state,
      model: modelName,
      modelDigest,
      kvLayoutDigest,
      grpcEndpoint,
      tensorEndpoint,
      load: this.load(),
      residentBytes: BigInt(process.memoryUsage.rss()),
      ...host.lastSwitch,
      reuse: reuse && { ...reuse, kernels: [...reuse.kernels] },
    };
  }

  /** Without steps, which each stream has its own of. */
  load(): wire.LoadReport {
    const { podId, host, engine } = this.#options;
    const { role, epoch } = host.state;
    const { steps, ...load } = engine.load();
    const counters = host.stage?.counters;
    return {
      podId,
      role,
      epoch,
      ...load,
      steps: BigInt(steps),
      requestsDone: BigInt(counters?.requestsDone ?? 0),
      tokensDone: BigInt(counters?.tokensDone ?? 0),
      mediaCacheHits: BigInt(counters !== undefined && 'cacheHits' in counters ? counters.cacheHits : 0),
      prefixCachedTokens: BigInt(load.prefixCachedTokens),
      leasesOpen: host.stage?.leasesOpen ?? 0,
      unixMs: BigInt(systemClock.unixMs()),
      work: [],
    };
  }

  /** @param actor who asks @throws epoch_stale, role_switch_failed, invalid_request */
  async setRole(request: wire.SetRoleRequest, actor: string): Promise<wire.WorkerStatus> {
    const { host, log, metrics } = this.#options;
    const before = host.state;
    log.info('audit.role_asked', { actor, from: wire.Role[before.role], to: wire.Role[request.role] });
    let outcome: 'ok' | 'refused' | 'failed' = 'ok';
    try {
      host.continueAfter(request.aboveEpoch);
      await host.setRole(request.role, request.expectedEpoch, AbortSignal.timeout(request.drainTimeoutMs));
    } catch (error) {
      outcome = toTercetError(error).code === 'role_switch_failed' ? 'failed' : 'refused';
      throw error;
    } finally {
      metrics.count('tercet_role_switches_total', { outcome });
    }
    const { drainMs, switchMs } = host.lastSwitch;
    if (host.state.epoch !== before.epoch) {
      metrics.observe('tercet_role_switch_seconds', { part: 'drain' }, drainMs / 1000);
      metrics.observe('tercet_role_switch_seconds', { part: 'switch' }, switchMs / 1000);
    }
    log.info('role.changed', {
      from: wire.Role[before.role],
      to: wire.Role[request.role],
      epoch: host.state.epoch,
      drainMs: Math.round(drainMs),
      switchMs: Math.round(switchMs),
    });
    return this.status();
  }

  /** @param actor who asks @throws epoch_stale */
  async drain(request: wire.DrainRequest, actor: string): Promise<wire.WorkerStatus> {
    const { host, log } = this.#options;
    log.info('audit.drain_asked', { actor, timeoutMs: request.timeoutMs });
    await host.drain(request.expectedEpoch, AbortSignal.timeout(request.timeoutMs));
    return this.status();
  }

  /** A report now, and one after each interval until the caller leaves. @throws invalid_request */
  async *watchLoad({ intervalMs }: wire.WatchLoadRequest, signal: AbortSignal): AsyncGenerator<wire.LoadReport> {
    if (intervalMs < intervalMsMin) throw new TercetError('invalid_request', { intervalMs, intervalMsMin });
    const { work } = this.#options.engine;
    let place = work.count;
    const over = AbortSignal.any([signal, this.#closed.signal]);
    while (!over.aborted) {
      const { samples, next } = work.since(place);
      place = next;
      yield { ...this.load(), work: samples.map(workToWire) };
      await sleep(intervalMs, undefined, { signal: over }).catch(() => undefined);
    }
  }

  /** Ends the streams of those who watch. */
  close(): void {
    this.#closed.abort();
  }
}

function workToWire(sample: WorkSample): wire.WorkSample {
  const { ms } = sample;
  switch (sample.stage) {
    case 'encode':
      return { ms, step: { $case: 'encode', value: { patches: sample.patches } } };
    case 'prefill':
      return { ms, step: { $case: 'prefill', value: { tokens: sample.tokens, squares: sample.squares } } };
    case 'decode':
      return { ms, step: { $case: 'decode', value: { batch: sample.batch, contextTokens: sample.contextTokens } } };
    default:
      return sample satisfies never;
  }
}
