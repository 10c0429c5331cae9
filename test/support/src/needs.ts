import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { modelsConfig } from '@tercet/models';
import { requiredPeers, searchPath } from './config.js';

const programs: Readonly<Record<string, readonly string[]>> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  go: ['go'],
  helm: ['helm'],
  python: ['python3'],
};

/**
 * Path of a program that a suite cannot do without. Where it is absent, a test that says so is skipped, or fails when
 * the run requires it; the caller registers no tests then.
 */
export function needs(peer: keyof typeof programs): string | undefined {
  for (const program of programs[peer] ?? []) {
    for (const folder of searchPath) {
      const path = join(folder, program);
      if (isExecutable(path)) return path;
    }
  }
  return skip(String(peer), `needs ${String(peer)}, which is not on this machine`);
}

/** A Python that has these modules, as {@link needs}; `peer` is what TERCET_REQUIRE calls them. */
export function needsPythonModules(peer: string, modules: readonly string[]): string | undefined {
  try {
    execFileSync('python3', ['-c', modules.map((name) => `import ${name}`).join('\n')], { stdio: 'ignore' });
    return 'python3';
  } catch {
    return skip(peer, `needs Python with ${modules.join(' and ')}`);
  }
}

/** Path of a file of a model that `tercet models pull` got, as {@link needs}; the model's name is the peer. */
export function needsModel(name: string, file: string): string | undefined {
  const path = join(modelsConfig().folder, name, file);
  return existsSync(path) ? path : skip(name, `needs ${name}: tercet models pull ${name}`);
}

function skip(peer: string, reason: string): undefined {
  if (requiredPeers.has(peer)) {
    test(reason, () => {
      throw new Error(`${reason}; TERCET_REQUIRE names it`);
    });
  } else {
    test.skip(reason, () => undefined);
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
