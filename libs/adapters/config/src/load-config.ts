import { readFileSync } from 'node:fs';
import { TercetError } from '@tercet/contracts';
import type { z } from 'zod';

export interface ConfigSources {
  /** JSON file with the same shape as the schema. */
  readonly file?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `STAGE` reads `TERCET__STAGE__STEP_TOKENS_MAX` as `stepTokensMax`; `__` goes one level down. */
  readonly section: string;
}

type Tree = { [key: string]: unknown };

/**
 * Default < file < environment, checked by the schema and frozen.
 * @throws config_invalid for an unknown key, a bad value, or a file that cannot be read; nothing is clamped
 */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, sources: ConfigSources): z.infer<Schema> {
  const file = sources.file === undefined ? {} : readFile(sources.file);
  const result = schema.safeParse(merge(file, fromEnvironment(sources.environment, sources.section)));
  if (result.success) return freeze(result.data);
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || sources.section}: ${message}`);
  throw new TercetError('config_invalid', { problems: problems.join('; ') });
}

/** Variables of one section as a nested object. Values are JSON where they parse as such, else text. */
export function fromEnvironment(environment: ConfigSources['environment'], section: string): Tree {
  const prefix = `TERCET__${section}__`;
  const tree: Tree = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(prefix) || value === undefined) continue;
    const path = name.slice(prefix.length).split('__').map(camelCase);
    const last = path.pop() as string;
    let branch = tree;
    for (const key of path) branch = subtree(branch, key);
    branch[last] = parsed(value);
  }
  return tree;
}

/** The configuration as it may be printed: whatever is named like a secret is not. */
export function maskSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const secret = /key|token$|secret|password/i;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      secret.test(key) && typeof inner === 'string' ? '***' : maskSecrets(inner),
    ]),
  );
}

function readFile(path: string): Tree {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Tree;
  } catch (cause) {
    throw new TercetError('config_invalid', { file: path, reason: (cause as Error).message }, { cause });
  }
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function subtree(branch: Tree, key: string): Tree {
  const next = branch[key];
  if (typeof next === 'object' && next !== null) return next as Tree;
  const made: Tree = {};
  branch[key] = made;
  return made;
}

function merge(under: Tree, over: Tree): Tree {
  const merged: Tree = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    const both = isTree(below) && isTree(value);
    merged[key] = both ? merge(below, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
