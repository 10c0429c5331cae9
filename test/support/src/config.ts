import { homedir } from 'node:os';
import { join } from 'node:path';

/** Peers that this run must have: a suite that lacks one fails instead of being skipped. */
export const requiredPeers: ReadonlySet<string> = new Set(
  (process.env.TERCET_REQUIRE ?? '').split(',').filter((name) => name !== ''),
);

/** Where programs are looked for. */
export const searchPath: readonly string[] = (process.env.PATH ?? '').split(':');

/** What is got once per machine, outside the repository. */
export const cacheFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tercet');

/** What a program that a test starts may see. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;
