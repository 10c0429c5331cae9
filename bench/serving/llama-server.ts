// llama.cpp's own server from the source that npm `node-llama-cpp` carries: the version whose libraries our engine
// calls. Built once, outside the repository, for the processor of this machine.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { benchCache, llamaSource, sourcePackage } from '../llama-source.js';
import type { EngineShape } from './bare-engine.js';
import { freePort } from './whole-system.js';

const startTimeoutMs = 60_000;
const cmakeVersion = '3.31.10';

export type Built =
  | { readonly kind: 'built'; readonly path: string; readonly version: string }
  | { readonly kind: 'missing'; readonly reason: string };

/** @param source a checkout to build from; default is the bundle of the npm package */
export function buildLlamaServer(options: { source?: string; say: (line: string) => void }): Built {
  const folder = join(benchCache, 'llama-server');
  const path = join(folder, 'bin', 'llama-server');
  if (!existsSync(path)) {
    const absent = ['c++', 'git', 'nice'].filter((tool) => !isThere(tool));
    if (cmakeOf(options.say) === undefined) absent.push('cmake (apt-get install cmake, or Python with venv and pip)');
    if (absent.length > 0) return { kind: 'missing', reason: `not on this machine: ${absent.join(', ')}` };
    try {
      build(folder, options.source ?? llamaSource(options.say), options.say);
    } catch (error) {
      return { kind: 'missing', reason: `it could not be built: ${(error as Error).message}` };
    }
  }
  const asked = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const version = /version: .*/.exec(`${asked.stdout}${asked.stderr}`)?.[0] ?? 'unknown version';
  return { kind: 'built', path, version: `${version}, npm ${sourcePackage.name} ${sourcePackage.version}` };
}

function build(folder: string, source: string, say: (line: string) => void): void {
  say('building llama-server; the first time takes several minutes …');
  mkdirSync(folder, { recursive: true });
  const off = ['BUILD_SHARED_LIBS', 'LLAMA_BUILD_TESTS', 'LLAMA_BUILD_EXAMPLES', 'LLAMA_BUILD_APP', 'LLAMA_BUILD_UI'];
  const flags = [...off, 'LLAMA_USE_PREBUILT_UI', 'LLAMA_OPENSSL'].map((name) => `-D${name}=OFF`);
  const settings = ['-DCMAKE_BUILD_TYPE=Release', '-DGGML_NATIVE=ON', ...flags];
  const stdio = ['ignore', 'ignore', 'inherit'] as const;
  const cmake = cmakeOf(say) ?? 'cmake';
  execFileSync(cmake, ['-S', source, '-B', folder, ...settings], { stdio: [...stdio] });
  const jobs = `-j${Math.min(2, availableParallelism())}`;
  execFileSync('nice', [cmake, '--build', folder, '--target', 'llama-server', jobs], { stdio: [...stdio] });
}

/** The machine's cmake, or that of the Python package index, installed once beside what benches build. */
function cmakeOf(say: (line: string) => void): string | undefined {
  if (isThere('cmake')) return 'cmake';
  const folder = join(benchCache, 'cmake');
  const path = join(folder, 'bin', 'cmake');
  if (existsSync(path)) return path;
  say(`fetching cmake ${cmakeVersion} from the Python package index …`);
  const made = spawnSync('python3', ['-m', 'venv', folder], { stdio: 'ignore' });
  const install = ['install', '--quiet', '--disable-pip-version-check', `cmake==${cmakeVersion}`];
  const installed =
    made.status === 0 && spawnSync(join(folder, 'bin', 'pip'), install, { stdio: 'ignore' }).status === 0;
  return installed ? path : undefined;
}

function isThere(tool: string): boolean {
  return spawnSync('which', [tool]).status === 0;
}

/** A running llama-server: continuous batching, flash attention, as many slots and threads as our system has. */
export class LlamaServer implements AsyncDisposable {
  readonly url: string;
  readonly model = 'peer';
  readonly pid: number;
  readonly settings: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(url: string, settings: string, child: ReturnType<typeof spawn>) {
    this.url = url;
    this.settings = settings;
    this.pid = child.pid ?? 0;
    this.#child = child;
  }

  /** @param model decoder, and the vision tower of a multimodal model */
  static async start(
    path: string,
    model: { readonly model: string; readonly mmproj?: string | undefined },
    shape: EngineShape,
  ): Promise<LlamaServer> {
    const port = await freePort();
    const settings = {
      '--ctx-size': shape.contextTokensMax * shape.slots,
      '--parallel': shape.slots,
      '--threads': shape.cores,
      '--threads-batch': shape.cores,
      '--flash-attn': 'on',
    };
    const words = Object.entries(settings).flatMap(([name, value]) => [name, String(value)]);
    const tower = model.mmproj === undefined ? [] : ['--mmproj', model.mmproj];
    const args = ['--model', model.model, ...tower, '--port', String(port), '--log-disable', ...words];
    const child = spawn(path, args, { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}`;
    for (const startMs = performance.now(); performance.now() - startMs < startTimeoutMs; await sleep(100)) {
      const response = await fetch(`${url}/health`).catch(() => undefined);
      if (response?.ok === true) return new LlamaServer(url, words.join(' '), child);
      if (child.exitCode !== null) throw new Error(`llama-server ended with ${child.exitCode}`);
    }
    child.kill();
    throw new Error('llama-server did not start in time');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    await exited;
  }
}
