import type { Prng } from '@tercet/base';
import type { ResolvedModel } from '@tercet/models';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { poissonArrivals, seededPrompt } from '../workloads/prompts.js';
import type { EngineShape } from './bare-engine.js';
import { load } from './compare.js';
import { streamCompletion } from './completion-client.js';
import type { Generate, GenerationTask } from './generation.js';
import { buildLlamaServer, LlamaServer } from './llama-server.js';
import { memoryOf, reportMemory } from './memory.js';
import { type LoadReport, runOpenLoop } from './open-loop.js';

export interface PeerOptions {
  readonly model: ResolvedModel;
  readonly shape: EngineShape;
  /** Open-loop load at each rate. */
  readonly seconds: number;
  readonly prng: Prng;
  /** What the bare engine decodes with 8 requests: the rates of the load follow from it. */
  readonly tokensPerS: number;
  readonly system: Generate;
  readonly source?: string;
  readonly say: BenchOptions['say'];
}

const promptWords = [32, 128] as const;
const outputTokens = [16, 96] as const;
/** Shares of the rate at which decoding alone would take all the time. */
const loads = [0.3, 0.5, 0.7];
const objective = { ttftMs: 1500, tpotMs: 150 };

/** Goodput of both under the same arrivals at several rates; the ratio compares the best of each. */
export async function comparePeer(options: PeerOptions): Promise<BenchResult> {
  const { model, shape, seconds, prng, say } = options;
  const built = buildLlamaServer(options);
  if (built.kind === 'missing') {
    say(`NO PEER: llama.cpp's server was not measured: ${built.reason}`);
    const names = ['goodputRps', 'peerGoodputRps', 'peerGoodputRatio'];
    return {
      metrics: {},
      peer: {},
      omitted: Object.fromEntries(names.map((name) => [name, `no peer: ${built.reason}`])),
    };
  }
  await using server = await LlamaServer.start(built.path, model, shape);
  const peer: Generate = (task: GenerationTask) => streamCompletion(server, task);
  for (const generate of [options.system, peer]) {
    await Promise.all([1, 2, 3, 4].map(() => generate({ prompt: seededPrompt(prng, 64), outputTokens: 16 })));
  }
  const meanOutput = (outputTokens[0] + outputTokens[1]) / 2;
  const best = { system: 0, peer: 0 };
  const metrics: Record<string, number> = {};
  for (const [index, share] of loads.entries()) {
    const requestsPerS = (share * options.tokensPerS) / meanOutput;
    const durationMs = seconds * 1000;
    const arrivals = poissonArrivals(prng, { requestsPerS, durationMs, promptWords, outputTokens });
    const sides = { system: options.system, peer };
    const names = index % 2 === 0 ? (['system', 'peer'] as const) : (['peer', 'system'] as const);
    for (const name of names) {
      const report = await runOpenLoop(sides[name], arrivals, { durationMs, objective });
      say(`${requestsPerS.toFixed(2)} requests/s, ${name}: ${describe(report)} ${load()}`);
      best[name] = Math.max(best[name], report.goodputRps);
      metrics[`${name}SloAttainment${Math.round(share * 100)}`] = report.sloAttainment;
    }
  }
  reportMemory(memoryOf(new Map([['llama-server', server.pid]])), say);
  const ratio = best.system / best.peer;
  return {
    metrics: { ...metrics, goodputRps: best.system, peerGoodputRps: best.peer, peerGoodputRatio: ratio },
    peer: {
      llamaServer: `${built.version}; ${server.settings}`,
      load:
        `Poisson, ${seconds} s at each of ${loads.map((share) => `${share * 100} %`).join(', ')} of decode capacity, ` +
        `prompts of ${promptWords.join(' to ')} words, answers of ${outputTokens.join(' to ')} tokens`,
      slo: `TTFT ≤ ${objective.ttftMs} ms from the due time and TPOT ≤ ${objective.tpotMs} ms`,
    },
  };
}

function describe({ offered, failed, sloAttainment, goodputRps, ttftMs, tpotMs }: LoadReport): string {
  const good = `${(sloAttainment * 100).toFixed(0)} % of ${offered} met the SLO, goodput ${goodputRps.toFixed(2)}/s`;
  const times = `TTFT ${median(ttftMs).toFixed(0)} ms, TPOT ${median(tpotMs).toFixed(1)} ms`;
  return `${good}, medians ${times}${failed === 0 ? '' : `, ${failed} FAILED`}`;
}
