import { setTimeout as sleep } from 'node:timers/promises';
import type { Arrival } from '../workloads/prompts.js';
import { type Generate, type Generation, tpotMs, ttftMs } from './generation.js';

export interface ServiceObjective {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

export interface LoadReport {
  readonly offered: number;
  readonly failed: number;
  readonly sloAttainment: number;
  /** Requests per second, over the time in which requests came, that met every objective. */
  readonly goodputRps: number;
  readonly ttftMs: readonly number[];
  readonly tpotMs: readonly number[];
}

/**
 * Sends each request when it is due, whether earlier ones have ended or not. Latency counts from the due time, so that
 * a client that falls behind cannot hide a slow server. A refused or failed request misses its objective.
 */
export async function runOpenLoop(
  generate: Generate,
  arrivals: readonly Arrival[],
  { durationMs, objective }: { durationMs: number; objective: ServiceObjective },
): Promise<LoadReport> {
  const startMs = performance.now();
  const runs = arrivals.map(async ({ atMs, prompt, outputTokens }) => {
    const dueMs = startMs + atMs;
    await sleep(Math.max(0, dueMs - performance.now()));
    try {
      return { ...(await generate({ prompt, outputTokens })), sentMs: dueMs };
    } catch (cause) {
      return { failure: cause };
    }
  });
  const ended = await Promise.all(runs);
  const served = ended.filter((run): run is Generation => !('failure' in run));
  const good = served.filter((run) => meets(run, objective)).length;
  return {
    offered: arrivals.length,
    failed: ended.length - served.length,
    sloAttainment: good / arrivals.length,
    goodputRps: (good * 1000) / durationMs,
    ttftMs: served.map(ttftMs),
    tpotMs: served.map(tpotMs).filter((ms) => ms !== undefined),
  };
}

function meets(run: Generation, objective: ServiceObjective): boolean {
  return ttftMs(run) <= objective.ttftMs && (tpotMs(run) ?? 0) <= objective.tpotMs;
}
