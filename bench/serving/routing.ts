// Question: what does it bring that requests go to the prefill pod which has their prompt? The same conversations, turn
// by turn, on two whole systems with two prefill pods each: one routes by load, the other by what is cached. Each pod
// keeps fewer conversations than there are, and both together keep all.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Prng } from '@tercet/base';
import { loadCatalog, ModelStore, modelsConfig, resolveModel } from '@tercet/models';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { WholeSystem } from './whole-system.js';

const shape = { cores: availableParallelism(), contextTokensMax: 2048, slots: 8 };
const prefillPods = 2;
const policies = ['load', 'cache-aware'] as const;
type Policy = (typeof policies)[number];

/** Words of the head that all conversations share, of their own beginning, and of each further turn. */
const words = { shared: 40, own: 200, turn: 15 };
const outputTokens = 4;

interface Turn {
  readonly ttftMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly expectedTokens: number;
}

/**
 * Options: `--model=NAME|FILE` (default gemma-3-270m), `--conversations=N` (12), `--turns=N` after the first (4),
 * `--clients=N` (2) that ask at the same time, `--seed=N`.
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const settings = settingsOf(given);
  const { folder, catalogFile } = modelsConfig();
  const model = await resolveModel(settings.model, new ModelStore({ catalog: loadCatalog(catalogFile), folder }));
  const processes = { encode: model.mmproj === undefined ? 0 : 1, prefill: prefillPods, decode: 1 };
  const start = (policy: Policy) =>
    WholeSystem.start(model, shape, { ...processes, settings: { TERCET__GATEWAY__ROUTING__POLICY: policy } });
  await using byLoad = await start('load');
  await using byCache = await start('cache-aware');
  const systems = { load: byLoad, 'cache-aware': byCache };
  for (const policy of policies) await whenWhole(systems[policy]);
  const prng = new Prng(settings.seed);
  const shared = text(prng, words.shared);
  const conversations = Array.from({ length: settings.conversations }, () => `${shared} ${text(prng, words.own)}`);
  const turns: Record<Policy, Turn[]> = { load: [], 'cache-aware': [] };
  for (let turn = 0; turn <= settings.turns; turn++) {
    const prompts = shuffled(prng, conversations);
    for (const policy of turn % 2 === 0 ? policies : policies.toReversed()) {
      const answered = await askAll(systems[policy], prompts, settings.clients);
      // In the first turn nothing can be cached but the shared head.
      if (turn > 0) turns[policy].push(...answered);
      say(`turn ${turn}, ${policy}: median ${Math.round(median(answered.map(({ ttftMs }) => ttftMs)))} ms`);
    }
    for (const i of conversations.keys()) conversations[i] = `${conversations[i]} ${text(prng, words.turn)}`;
  }
  return { metrics: metricsOf(turns), peer: { node: process.version, model: model.name, seed: String(settings.seed) } };
}

function metricsOf(turns: Record<Policy, readonly Turn[]>): Record<string, number> {
  const [load, cache] = [turns.load, turns['cache-aware']];
  const ttft = (of: readonly Turn[]) => median(of.map(({ ttftMs }) => ttftMs));
  const share = (of: readonly Turn[]) => total(of, 'cachedTokens') / total(of, 'promptTokens');
  const missing = cache.reduce((sum, turn) => sum + Math.max(0, turn.expectedTokens - turn.cachedTokens), 0);
  const metrics = {
    ttftRatio: ttft(load) / ttft(cache),
    loadTtftMsP50: ttft(load),
    cacheTtftMsP50: ttft(cache),
    loadCachedShare: share(load),
    cacheCachedShare: share(cache),
    expectedMissingShare: missing / total(cache, 'expectedTokens'),
    requests: load.length + cache.length,
  };
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Math.round(value * 1000) / 1000]));
}

function total(turns: readonly Turn[], field: keyof Turn): number {
  return turns.reduce((sum, turn) => sum + turn[field], 0);
}

/** A system says that it is there when each stage has one pod. */
async function whenWhole({ url }: WholeSystem): Promise<void> {
  for (;;) {
    const { pods } = (await (await fetch(`${url}/tercet/pods`)).json()) as { pods: { role: string; phase: string }[] };
    const isReady = ({ role, phase }: { role: string; phase: string }) => role === 'prefill' && phase === 'ready';
    if (pods.filter(isReady).length === prefillPods) return;
    await sleep(100);
  }
}

/** So many at a time; the next as soon as one is answered. */
async function askAll(system: WholeSystem, prompts: readonly string[], clients: number): Promise<Turn[]> {
  const turns: Turn[] = [];
  const left = [...prompts];
  const client = async () => {
    for (let prompt = left.pop(); prompt !== undefined; prompt = left.pop()) turns.push(await ask(system, prompt));
  };
  await Promise.all(Array.from({ length: clients }, client));
  return turns;
}

async function ask({ url, model }: WholeSystem, prompt: string): Promise<Turn> {
  const body = { model, prompt, max_tokens: outputTokens, temperature: 0, ignore_eos: true };
  const response = await fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  const { usage, tercet } = (await response.json()) as {
    usage: { prompt_tokens: number };
    tercet: { ttftMs: number; cachedTokens: number; route: { expectedTokens?: number } };
  };
  const { ttftMs, cachedTokens, route } = tercet;
  return { ttftMs, cachedTokens, promptTokens: usage.prompt_tokens, expectedTokens: route.expectedTokens ?? 0 };
}

const syllables = ['ka', 'lo', 'mi', 'ten', 'sur', 'pe', 'ran', 'do', 'vi', 'gal', 'es', 'thu'];

function text(prng: Prng, count: number): string {
  const syllable = () => syllables[prng.nextBelow(syllables.length)] as string;
  return Array.from({ length: count }, () => `${syllable()}${syllable()}`).join(' ');
}

function shuffled<T>(prng: Prng, values: readonly T[]): T[] {
  const keyed = values.map((value) => ({ value, key: prng.nextFloat() }));
  return keyed.toSorted((a, b) => a.key - b.key).map(({ value }) => value);
}

function settingsOf(given: readonly string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...given],
    options: {
      model: text('gemma-3-270m'),
      conversations: text('12'),
      turns: text('4'),
      clients: text('2'),
      seed: text('1'),
    },
  });
  const { conversations, turns, clients, seed } = values;
  return {
    model: values.model,
    conversations: Number(conversations),
    turns: Number(turns),
    clients: Number(clients),
    seed: Number(seed),
  };
}
