import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { indexCache } from './cache.js';

const requirements = ['numpy==2.4.6', 'hnswlib==0.8.0', 'faiss-cpu==1.15.1', 'usearch==2.26.6', 'scalable-vs==0.5.0'];
const folder = join(dirname(indexCache), 'python-index');
const script = fileURLToPath(new URL('./peers.py', import.meta.url));

export const peerNames = ['hnswlib', 'faissFlat', 'faissSq8', 'usearch', 'usearchI8', 'svs'] as const;
export type PeerName = (typeof peerNames)[number];

export interface Timed {
  readonly cpuS: number;
  readonly wallS: number;
}

/** A Python process that holds the indexes of the other libraries, and uses one thread. */
export class PeerProcess implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('the peers have no output');
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Installs the libraries where they are not yet. */
  static start(say: (line: string) => void): PeerProcess {
    const python = join(folder, 'bin/python');
    const done = join(folder, 'installed');
    if (!existsSync(done)) {
      say(`installing ${requirements.join(', ')} …`);
      mkdirSync(folder, { recursive: true });
      execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 2, 2] });
      execFileSync(python, ['-m', 'pip', 'install', '--quiet', ...requirements], { stdio: ['ignore', 2, 2] });
      writeFileSync(done, requirements.join('\n'));
    }
    const one = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
    return new PeerProcess(
      spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: '/usr/bin:/bin', ...one } }),
    );
  }

  /** @returns versions of the libraries */
  async load(files: { base: string; queries: string; truth: string; dim: number }): Promise<Record<string, string>> {
    return (await this.#ask<{ versions: Record<string, string> }>({ do: 'load', ...files })).versions;
  }

  build(peer: PeerName): Promise<Timed & { readonly bytes: number }> {
    return this.#ask({ do: 'build', peer });
  }

  search(peer: PeerName, ef: number): Promise<Timed & { readonly recall: number }> {
    return this.#ask({ do: 'search', peer, ef });
  }

  [Symbol.dispose](): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  async #ask<T>(command: object): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the peers ended');
    const answer = JSON.parse(value) as T & { readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }
}
