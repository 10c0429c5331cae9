// Question: how fast are our model graphs and step loop beside llama.cpp's, on the same libraries, file and threads?
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { loadCatalog, ModelStore, modelsConfig, resolveModel } from '@tercet/models';
import { BareEngine } from '../serving/bare-engine.js';
import { ttftMs } from '../serving/generation.js';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { openLlamaBench } from './llama-bench.js';

const promptTokens = 512;
const generatedTokens = 128;
let runs = 0;

/**
 * pp512 and tg128, turn by turn, medians. Options: `--model NAME|FILE` (default gemma-3-270m), `--threads N`,
 * `--rounds N` (15).
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const { values } = parseArgs({
    args: [...given],
    options: {
      model: { type: 'string', default: 'gemma-3-270m' },
      threads: { type: 'string', default: String(availableParallelism()) },
      rounds: { type: 'string', default: '15' },
    },
  });
  const threads = Number(values.threads);
  const { folder, catalogFile } = modelsConfig();
  const model = await resolveModel(values.model, new ModelStore({ catalog: loadCatalog(catalogFile), folder }));
  const peer = openLlamaBench({ modelPath: model.model, threads, say });
  if (typeof peer === 'string') say(`llama-bench does not run: ${peer}`);
  const shape = { cores: threads, contextTokensMax: 1024, slots: 2, chunkTokens: promptTokens, fixedThreads: true };
  await using engine = BareEngine.open(model, shape);
  const times = {
    prefill: [] as number[],
    decode: [] as number[],
    peerPrefill: [] as number[],
    peerDecode: [] as number[],
  };
  await ours(engine);
  for (let round = 0; round < Number(values.rounds); round++) {
    const { prefill, decode } = await ours(engine);
    times.prefill.push(prefill);
    times.decode.push(decode);
    if (typeof peer !== 'string') {
      times.peerPrefill.push(peer.run({ prompt: promptTokens }));
      times.peerDecode.push(peer.run({ generate: generatedTokens }));
    }
    const figures = Object.entries(times).map(([name, list]) => `${name} ${list.at(-1)?.toFixed(1) ?? '-'}`);
    say(`round ${round + 1}: ${figures.join(', ')} tokens/s; load ${loadavg()[0]?.toFixed(1)}`);
  }
  const metrics = {
    prefillTokensPerS: median(times.prefill),
    decodeTokensPerS: median(times.decode),
    peerPrefillTokensPerS: median(times.peerPrefill),
    peerDecodeTokensPerS: median(times.peerDecode),
    prefillRatio: median(times.prefill) / median(times.peerPrefill),
    decodeRatio: median(times.decode) / median(times.peerDecode),
    threads,
  };
  if (typeof peer !== 'string') return { metrics, peer: { 'llama-bench': peer.version } };
  const names = ['peerPrefillTokensPerS', 'peerDecodeTokensPerS', 'prefillRatio', 'decodeRatio'];
  const omitted = Object.fromEntries(names.map((name) => [name, `llama-bench does not run: ${peer}`]));
  return { metrics, peer: {}, omitted };
}

/** One prompt of 512 tokens that nothing of is cached; and, as the peer does, 128 tokens from an empty context. */
async function ours(engine: BareEngine): Promise<{ prefill: number; decode: number }> {
  const first = 1000 + runs++;
  const prompt = Array.from({ length: promptTokens }, (_, i) => first + ((i * 7919) % 5000));
  const prefilled = await engine.firstToken(prompt);
  const generation = await engine.generate({ prompt: [first], outputTokens: generatedTokens + 2 });
  const [, second = 0] = generation.tokensMs;
  const decodeMs = (generation.tokensMs.at(-1) ?? 0) - second;
  return { prefill: (promptTokens * 1000) / ttftMs(prefilled), decode: (generatedTokens * 1000) / decodeMs };
}
