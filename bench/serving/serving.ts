// Question: what do HTTP and three processes cost beside the bare engine, and how much load does the whole system
// carry beside llama.cpp's server? Same files, same threads, same prompts, turn by turn; greedy, end of text ignored.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Prng } from '@tercet/base';
import { loadCatalog, ModelStore, modelsConfig, type ResolvedModel, resolveModel } from '@tercet/models';
import type { BenchOptions, BenchResult } from '../suite.js';
import { BareEngine, type EngineShape } from './bare-engine.js';
import { compareSides } from './compare.js';
import { streamCompletion } from './completion-client.js';
import type { GenerationTask } from './generation.js';
import { benchImages } from './images.js';
import { memoryOf, reportMemory } from './memory.js';
import { comparePeer } from './peer.js';
import { WholeSystem } from './whole-system.js';

interface Settings {
  readonly model: string;
  readonly tiny: string;
  readonly rounds: number;
  readonly seed: number;
  readonly shape: EngineShape;
  readonly seconds: number;
  readonly peer: boolean;
  readonly peerSource: string | undefined;
}

/**
 * Options: `--model=NAME|FILE` (default gemma-3-270m) and `--tiny=NAME|FILE`; `--rounds=N` (9), `--cores=N`,
 * `--seed=N`, `--seconds=N` of open-loop load at each rate (30), `--no-peer`, `--peer-source=FOLDER` to build the peer
 * from.
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const settings = settingsOf(given);
  const metrics: Record<string, number> = {};
  const peer: Record<string, string> = { node: process.version, seed: String(settings.seed) };
  const tiny = await benchModel(settings.tiny, settings, say);
  Object.assign(metrics, ofTiny(tiny.metrics));
  const large = await benchModel(settings.model, { ...settings, withPeer: settings.peer }, say);
  Object.assign(metrics, large.metrics);
  Object.assign(peer, tiny.peer, large.peer);
  const rounded = Object.entries(metrics).map(([name, value]) => [name, Math.round(value * 1000) / 1000]);
  return { metrics: Object.fromEntries(rounded), peer, omitted: { ...ofTiny(tiny.omitted), ...large.omitted } };
}

/** The same under the names of the tiny model. */
function ofTiny<Value>(values: Readonly<Record<string, Value>> = {}): Record<string, Value> {
  const named = Object.entries(values).map(([name, value]) => [
    `tiny${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    value,
  ]);
  return Object.fromEntries(named);
}

async function benchModel(
  nameOrPath: string,
  options: Settings & { readonly withPeer?: boolean },
  say: BenchOptions['say'],
): Promise<BenchResult> {
  const { folder, catalogFile } = modelsConfig();
  const store = new ModelStore({ catalog: loadCatalog(catalogFile), folder });
  const model = await resolveModel(nameOrPath, store);
  const { shape, rounds, seed } = options;
  say(`${model.name}: ${shape.cores} cores, ${shape.slots} slots of ${shape.contextTokensMax} tokens`);
  await using system = await WholeSystem.start(model, shape);
  const ask = (task: GenerationTask) => streamCompletion(system, task);
  const compared = await compareWithBare(model, { shape, rounds, seed, ask, say });
  const memory = reportMemory(memoryOf(system.processes), say);
  const { seconds, peerSource } = options;
  const source = peerSource === undefined ? {} : { source: peerSource };
  if (options.withPeer !== true) {
    const withImages = { system, model, shape, rounds, withPeer: options.peer, say, ...source };
    const images = model.mmproj === undefined ? { metrics: {}, peer: {} } : await benchImages(withImages);
    return { ...images, metrics: { ...compared, ...memory, ...images.metrics } };
  }
  const tokensPerS = compared.bareDecodeTokensPerS8 ?? Number.NaN;
  const prng = new Prng(seed + 1);
  const beside = await comparePeer({ model, shape, seconds, prng, tokensPerS, system: ask, say, ...source });
  return { ...beside, metrics: { ...compared, ...memory, ...beside.metrics } };
}

/** The engine is closed before the peer runs: it would only take memory. */
async function compareWithBare(
  model: ResolvedModel,
  options: Pick<Settings, 'shape' | 'rounds' | 'seed'> & {
    ask: (task: GenerationTask) => ReturnType<typeof streamCompletion>;
    say: BenchOptions['say'];
  },
): Promise<Record<string, number>> {
  await using engine = BareEngine.open(model, options.shape);
  const { ask: system, ...rest } = options;
  return await compareSides({ ...rest, system, bare: (task) => engine.generate(task) });
}

function settingsOf(given: readonly string[]): Settings {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...given],
    options: {
      model: text('gemma-3-270m'),
      tiny: text('tercet-tiny'),
      rounds: text('9'),
      cores: text(String(availableParallelism())),
      seed: text('1'),
      seconds: text('30'),
      'no-peer': { type: 'boolean', default: false },
      'peer-source': { type: 'string' },
    },
  });
  return {
    model: values.model,
    tiny: values.tiny,
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    shape: { cores: Number(values.cores), contextTokensMax: 512, slots: 16 },
    seconds: Number(values.seconds),
    peer: !values['no-peer'],
    peerSource: values['peer-source'],
  };
}
