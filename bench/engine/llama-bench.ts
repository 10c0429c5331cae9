// llama.cpp's own bench, compiled against the very libraries that our engine calls: only the code above them differs.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { libraryFolder } from '@tercet/ggml';
import { benchCache, llamaSource } from '../llama-source.js';

export interface LlamaBench {
  readonly version: string;
  /** Tokens per second of one run. */
  run(task: { readonly prompt: number } | { readonly generate: number }): number;
}

/** @returns why it cannot run here, or the bench */
export function openLlamaBench(options: {
  modelPath: string;
  threads: number;
  say: (line: string) => void;
}): LlamaBench | string {
  const { modelPath, threads, say } = options;
  const libraries = libraryFolder();
  const program = join(benchCache, 'llama-bench');
  if (!existsSync(program)) {
    const absent = ['c++', 'git', 'npm', 'tar'].filter((tool) => spawnSync('which', [tool]).status !== 0);
    if (absent.length > 0) return `not on this machine: ${absent.join(', ')}`;
    compile(llamaSource(say), { libraries, program, say });
  }
  const run = (args: readonly string[]) => {
    const fixed = ['-m', modelPath, '-t', String(threads), '-r', '1', '-o', 'json'];
    // It looks for the variants of the CPU library where it runs.
    const out = execFileSync(program, [...fixed, ...args], {
      cwd: libraries,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return (JSON.parse(out) as { avg_ts: number; build_commit: string }[])[0] as {
      avg_ts: number;
      build_commit: string;
    };
  };
  const { build_commit } = run(['-p', '8', '-n', '0']);
  return {
    version: build_commit,
    run: (task) =>
      run('prompt' in task ? ['-p', `${task.prompt}`, '-n', '0'] : ['-p', '0', '-n', `${task.generate}`]).avg_ts,
  };
}

function compile(source: string, to: { libraries: string; program: string; say: (line: string) => void }): void {
  to.say('compiling llama-bench …');
  mkdirSync(benchCache, { recursive: true });
  const files = readdirSync(to.libraries).filter((name) => /^lib(llama|ggml|ggml-base)[.-].*(so|dylib)/.test(name));
  const linked = files.filter((name) => !name.startsWith('libggml-cpu')).map((name) => join(to.libraries, name));
  const include = ['include', 'ggml/include', 'common', 'vendor'].map((folder) => `-I${join(source, folder)}`);
  const sources = ['llama-bench.cpp', 'main.cpp'].map((name) => join(source, 'tools/llama-bench', name));
  const flags = ['-O2', '-std=c++17', ...include, ...sources, '-o', to.program, ...linked];
  execFileSync('c++', [...flags, `-Wl,-rpath,${to.libraries}`, '-lpthread'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
