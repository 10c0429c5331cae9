// Question: does the simulator, with costs fitted to the load reports of a real system, tell the latencies that its
// clients see? Real splits of processes on this machine, over HTTP, at five rates; all of them share its cores, so the
// costs are fitted under load, and what a request costs outside of the engines is measured at rest.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  disaggregated,
  nameOf,
  percentileOf,
  type Split,
  simulate,
  type TraceRequest,
  traceOf,
} from '@tercet/allocation';
import { Prng } from '@tercet/base';
import { StageFits } from '@tercet/cost-model';
import { loadCatalog, ModelStore, modelsConfig, type ResolvedModel, resolveModel } from '@tercet/models';
import { streamCompletion } from '../serving/completion-client.js';
import { type Generate, secondTokenMs, ttftMs } from '../serving/generation.js';
import { runOpenLoop } from '../serving/open-loop.js';
import { WholeSystem } from '../serving/whole-system.js';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import type { Arrival } from '../workloads/prompts.js';
import { type Step, WorkWatch } from './work-watch.js';

const shape = { cores: 2, contextTokensMax: 512, slots: 16 };
const lengths = { prompt: [32, 128], output: [16, 64] } as const;
const splits = [disaggregated(1, 1, 1), disaggregated(1, 1, 2), disaggregated(1, 2, 1)];
const restRequests = 15;

interface Settings {
  readonly rates: readonly number[];
  readonly durationMs: number;
  readonly prng: Prng;
  readonly say: BenchOptions['say'];
}

/** Options: `--model=NAME` (tercet-tiny), `--rates=N,N,…` requests a second, `--seconds=N` at each (15), `--seed=N`. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const options = { model: text('tercet-tiny'), rates: text('4,8,12,16,20'), seconds: text('15'), seed: text('1') };
  const { values } = parseArgs({ args: [...given], options });
  const { folder, catalogFile } = modelsConfig();
  const model = await resolveModel(values.model, new ModelStore({ catalog: loadCatalog(catalogFile), folder }));
  const settings = {
    rates: values.rates.split(',').map(Number),
    durationMs: Number(values.seconds) * 1000,
    prng: new Prng(Number(values.seed)),
    say,
  };
  const errors: { ttft: number; tpot: number }[] = [];
  for (const split of splits) errors.push(...(await measure(model, split, settings)));
  const of = (part: 'ttft' | 'tpot') => errors.map((error) => error[part]);
  return {
    metrics: {
      predictionError: round(median([...of('ttft'), ...of('tpot')])),
      ttftError: round(median(of('ttft'))),
      ttftErrorMax: round(Math.max(...of('ttft'))),
      tpotError: round(median(of('tpot'))),
      tpotErrorMax: round(Math.max(...of('tpot'))),
      points: errors.length,
    },
    peer: { ...values, splits: splits.map(nameOf).join(', '), node: process.version },
  };
}

/** Relative errors of the P90s at every rate. */
async function measure(model: ResolvedModel, split: Split, settings: Settings) {
  const { rates, prng, say } = settings;
  await using system = await WholeSystem.start(model, shape, {
    encode: split.encode,
    prefill: split.prefill,
    decode: split.decode,
  });
  // Text alone leaves the encoders idle, and a model without pictures has none.
  const busy = system.stages.filter(({ role }) => role !== 'encode');
  await using watch = new WorkWatch(busy.map(({ endpoint }) => endpoint));
  const generate: Generate = (task) => streamCompletion(system, task);
  await replay(generate, arrivalsOf(prng, rates[0] as number, settings.durationMs / 2), settings);
  const rest = await atRest(generate, watch, prng);
  const fits = new StageFits();
  for (const rps of [rates[1] as number, rates[3] as number]) {
    await replay(generate, arrivalsOf(prng, rps, settings.durationMs), settings);
    for (const { stage, features, ms } of watch.take()) fits.add(stage, features, ms);
  }
  say(`${nameOf(split)}: ${rest.aroundMs.toFixed(1)} ms around a prompt, ${rest.handOverMs.toFixed(1)} ms a hand-over`);
  const errors: { ttft: number; tpot: number }[] = [];
  for (const rps of rates) {
    const arrivals = arrivalsOf(prng, rps, settings.durationMs);
    const real = await replay(generate, arrivals, settings);
    const predicted = predict(arrivals, split, { fits, ...rest });
    const point = { ttft: predicted.ttftMs / real.ttftMs - 1, tpot: predicted.tpotMs / real.tpotMs - 1 };
    say(
      `${nameOf(split)} at ${rps}/s, ${arrivals.length} requests: P90 TTFT ${real.ttftMs.toFixed(1)} ms, predicted ` +
        `${predicted.ttftMs.toFixed(1)} (${percent(point.ttft)}); TPOT ${real.tpotMs.toFixed(2)} ms, predicted ` +
        `${predicted.tpotMs.toFixed(2)} (${percent(point.tpot)})`,
    );
    errors.push({ ttft: Math.abs(point.ttft), tpot: Math.abs(point.tpot) });
  }
  return errors;
}

interface Rest {
  /** From the client's request to its first token, without the prompt's step. */
  readonly aroundMs: number;
  /** From the first token to the second, without the step that made it. */
  readonly handOverMs: number;
}

async function atRest(generate: Generate, watch: WorkWatch, prng: Prng): Promise<Rest> {
  const around: number[] = [];
  const handOver: number[] = [];
  for (let i = 0; i < restRequests; i++) {
    await sleep(150);
    watch.take();
    const generation = await generate({ prompt: promptOf(prng, 80), outputTokens: 4 });
    await sleep(150);
    const steps = watch.take();
    const firstOf = (stage: Step['stage']) => steps.find((step) => step.stage === stage)?.ms ?? Number.NaN;
    around.push(ttftMs(generation) - firstOf('prefill'));
    handOver.push(secondTokenMs(generation) - firstOf('decode'));
  }
  const known = (values: readonly number[]) => Math.max(0, median(values.filter(Number.isFinite)));
  return { aroundMs: known(around), handOverMs: known(handOver) };
}

interface P90 {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

function predict(arrivals: readonly Asked[], split: Split, known: Rest & { readonly fits: StageFits }): P90 {
  const { fits, aroundMs, handOverMs } = known;
  for (const stage of ['prefill', 'decode'] as const) {
    if (fits.of(stage) === undefined) throw new Error(`too few ${stage} steps to fit`);
  }
  const instant = { handshakeMs: 0, bytesPerMs: Number.POSITIVE_INFINITY };
  const nothing = { fixedMs: 0, perContextTokenMs: 0, perSequenceMs: 0 };
  const costs = fits.costs({
    encode: { fixedMs: 0, perPatchMs: 0 },
    prefill: { fixedMs: 0, perTokenMs: 0, perTokenSquaredMs: 0 },
    decode: { small: nothing, large: nothing, smallBatchMax: 0 },
    mediaTransfer: instant,
    kvTransfer: { ...instant, handshakeMs: handOverMs },
    mediaBytesPerPatch: 0,
    kvBytesPerToken: 0,
  });
  const simulated = simulate(traceOf(arrivals.map(({ request }) => request)), split, {
    costs,
    kvTokensMax: shape.slots * shape.contextTokensMax,
    sequencesMax: shape.slots,
    batchTokensMax: 512,
    chunkTokens: 256,
  });
  return { ttftMs: percentileOf(simulated.ttftMs, 0.9) + aroundMs, tpotMs: percentileOf(simulated.tpotMs, 0.9) };
}

async function replay(generate: Generate, arrivals: readonly Asked[], { durationMs }: Settings): Promise<P90> {
  const objective = { ttftMs: 1000, tpotMs: 100 };
  const report = await runOpenLoop(generate, arrivals, { durationMs, objective });
  if (report.failed > 0) throw new Error(`${report.failed} of ${report.offered} requests failed`);
  const p90 = (values: readonly number[]) => percentileOf(Float64Array.from(values), 0.9);
  return { ttftMs: p90(report.ttftMs), tpotMs: p90(report.tpotMs) };
}

/** An arrival, and what the simulator is told of it. */
interface Asked extends Arrival {
  readonly request: TraceRequest;
}

function arrivalsOf(prng: Prng, rps: number, durationMs: number): Asked[] {
  const between = ([least, most]: readonly [number, number]) => least + prng.nextBelow(most - least + 1);
  const arrivals: Asked[] = [];
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - prng.nextFloat()) * 1000) / rps;
    if (atMs >= durationMs) return arrivals;
    const [promptTokens, outputTokens] = [between(lengths.prompt), between(lengths.output)];
    const request = { arrivalMs: atMs, images: 0, patches: 0, promptTokens, cachedTokens: 0, outputTokens };
    arrivals.push({ atMs, prompt: promptOf(prng, promptTokens), outputTokens, request });
  }
}

/** Tokens that stand for text in any vocabulary, never the same ones again. */
function promptOf(prng: Prng, tokens: number): number[] {
  return Array.from({ length: tokens }, () => 300 + prng.nextBelow(400));
}

function percent(share: number): string {
  return `${share > 0 ? '+' : ''}${(100 * share).toFixed(0)} %`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
