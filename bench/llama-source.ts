// The source of llama.cpp that npm `node-llama-cpp` carries: the version whose libraries our engine calls.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const sourcePackage = { name: 'node-llama-cpp', version: '3.22.1' };

/** Where benches keep what they build: outside the repository. */
export const benchCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tercet', 'bench');

/** The checkout of the bundle in the npm package, fetched once. @returns its folder */
export function llamaSource(say: (line: string) => void): string {
  const source = join(benchCache, `llama.cpp-${sourcePackage.version}`);
  if (existsSync(source)) return source;
  mkdirSync(benchCache, { recursive: true });
  const name = `${sourcePackage.name}@${sourcePackage.version}`;
  say(`fetching the source of llama.cpp from npm ${name} …`);
  const packed = execFileSync('npm', ['pack', '--silent', name], { cwd: benchCache, encoding: 'utf8' });
  const [tarball = ''] = packed.split('\n');
  execFileSync('tar', ['-xzf', tarball, 'package/llama/gitRelease.bundle'], { cwd: benchCache });
  execFileSync('git', ['clone', '--quiet', 'package/llama/gitRelease.bundle', `${source}.part`], { cwd: benchCache });
  for (const left of [tarball, 'package']) rmSync(join(benchCache, left), { recursive: true, force: true });
  renameSync(`${source}.part`, source);
  return source;
}
