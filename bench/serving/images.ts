import { fileURLToPath } from 'node:url';
import type { ResolvedModel } from '@tercet/models';
import { type EvalItem, readItems } from '../eval/items.js';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import type { EngineShape } from './bare-engine.js';
import { load } from './compare.js';
import { chatTtftMs } from './completion-client.js';
import { spread } from './generation.js';
import { buildLlamaServer, LlamaServer } from './llama-server.js';

const evalFolder = fileURLToPath(new URL('../../models/tiny/eval', import.meta.url));
const warmUps = 5;
const ttftRoundsFactor = 5;

interface Server {
  readonly url: string;
  readonly model: string;
}

export interface ImagesOptions {
  readonly system: Server;
  readonly model: ResolvedModel;
  readonly shape: EngineShape;
  readonly rounds: number;
  /** Whether llama.cpp's server answers the same questions, turn by turn. */
  readonly withPeer: boolean;
  readonly source?: string;
  readonly say: BenchOptions['say'];
}

/** Time to the first token of a chat about a picture that nobody sent before, so that it is encoded every time. */
export async function benchImages(options: ImagesOptions): Promise<BenchResult> {
  const { system, model, shape, say } = options;
  const built = options.withPeer ? buildLlamaServer(options) : { kind: 'missing' as const, reason: '--no-peer' };
  if (built.kind === 'missing') {
    const own = await compareTtft(options, [system]);
    return { metrics: { imageTtftMs: median(own[0] ?? []) }, peer: {}, omitted: missing(built.reason) };
  }
  await using server = await LlamaServer.start(built.path, model, shape);
  const [own = [], peer = []] = await compareTtft(options, [system, server]);
  say(`TTFT with a picture, ms: system ${spread(own)}, llama-server ${spread(peer)} ${load()}`);
  const imageTtftMs = median(own);
  const peerImageTtftMs = median(peer);
  return {
    metrics: { imageTtftMs, peerImageTtftMs, imageTtftRatio: imageTtftMs / peerImageTtftMs },
    peer: { llamaServerImages: `${built.version}; ${server.settings}` },
  };
}

function missing(reason: string): Record<string, string> {
  return Object.fromEntries(['peerImageTtftMs', 'imageTtftRatio'].map((name) => [name, `no peer: ${reason}`]));
}

/** Times of each server for the same questions, turn by turn. */
async function compareTtft({ rounds, say }: ImagesOptions, servers: readonly Server[]): Promise<number[][]> {
  const items = firstQuestions().slice(0, warmUps + rounds * ttftRoundsFactor);
  const times: number[][] = servers.map(() => []);
  for (const [index, { question, images }] of items.entries()) {
    for (const [at, server] of servers.entries()) {
      const picture = images[0]?.bytes ?? new Uint8Array(0);
      const ms = await chatTtftMs(server, { picture, question });
      if (index >= warmUps) times[at]?.push(ms);
    }
  }
  say(`${items.length - warmUps} pictures, each with one question`);
  return times;
}

/** Of every picture of the held-out set its first question. */
function firstQuestions(): EvalItem[] {
  const seen = new Set<string>();
  return readItems(evalFolder).filter(({ images: [image, second] }) => {
    if (image === undefined || second !== undefined || seen.has(image.name)) return false;
    seen.add(image.name);
    return true;
  });
}
