import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { modelsConfig } from '@tercet/models';
import { cacheFolder, requiredPeers } from './config.js';
import { findKafka, type KafkaJars } from './kafka-broker.js';
import { findProgram } from './programs.js';

const programs: Readonly<Record<string, readonly string[]>> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  go: ['go'],
  openssl: ['openssl'],
  prometheus: ['prometheus'],
  postgres: ['postgres'],
  helm: ['helm'],
  python: ['python3'],
};

/**
 * Path of a program that a suite cannot do without. Where it is absent, a test that says so is skipped, or fails when
 * the run requires it; the caller registers no tests then.
 */
export function needs(peer: keyof typeof programs): string | undefined {
  const path = findProgram(programs[peer] ?? []);
  return path ?? skip(String(peer), `needs ${String(peer)}, which is not on this machine`);
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

/** What a real Kafka is started from, got by Maven once per machine, as {@link needs}; the peer is `kafka`. */
export function needsKafka(): KafkaJars | undefined {
  const found = findKafka();
  return typeof found === 'string' ? skip('kafka', found) : found;
}

/** Folder of the Kubernetes programs that `npm run test:cluster -- --build` made, as {@link needs}. */
export function needsClusterPrograms(): string | undefined {
  const folder = join(cacheFolder, 'cluster/bin');
  if (existsSync(join(folder, '.key'))) return folder;
  return skip('kubernetes', 'needs the programs of Kubernetes: npm run test:cluster -- --build');
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
