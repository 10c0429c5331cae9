import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { TercetError } from '@tercet/contracts';
import { modelOf } from './catalog.js';
import type { ModelStore } from './model-store.js';

/** Files that an engine loads. */
export interface ResolvedModel {
  /** Name to serve it under. */
  readonly name: string;
  readonly model: string;
  /** Vision tower, for models that see. */
  readonly mmproj?: string;
}

/**
 * Files of a model by its name in the catalog, by the path of a GGUF file, or by a folder that holds one. Beside a
 * path, the file `mmproj-….gguf` is its vision tower: the one named like the model, or the only one there.
 * @throws model_not_found, model_file_missing; their details say what to do
 */
export async function resolveModel(nameOrPath: string, store: ModelStore): Promise<ResolvedModel> {
  return isPath(nameOrPath) ? byPath(resolve(nameOrPath)) : byName(nameOrPath, store);
}

function isPath(text: string): boolean {
  return text.includes('/') || text.includes(sep) || text.endsWith('.gguf');
}

async function byName(name: string, store: ModelStore): Promise<ResolvedModel> {
  const model = modelOf(store.catalog, name);
  for (const file of model.files) {
    if (await store.isReady(model, file)) continue;
    const advice = `run \`tercet models pull ${name}\``;
    throw new TercetError('model_file_missing', { model: name, file: store.pathOf(model, file), advice });
  }
  const paths = Object.fromEntries(model.files.map((file) => [file.role, store.pathOf(model, file)]));
  return made(name, paths.model!, paths.mmproj);
}

function byPath(path: string): ResolvedModel {
  if (!existsSync(path)) throw new TercetError('model_file_missing', { file: path });
  if (!statSync(path).isDirectory()) return made(nameOf(path), path, visionBeside(path));
  const models = ggufsIn(path).filter((name) => !isVision(name));
  if (models.length !== 1) {
    const reason = models.length === 0 ? 'the folder holds no GGUF model' : 'the folder holds several models: name one';
    throw new TercetError('model_file_missing', { file: path, reason, found: models });
  }
  const model = join(path, models[0]!);
  return made(nameOf(model), model, visionBeside(model));
}

function visionBeside(model: string): string | undefined {
  const folder = dirname(model);
  const towers = ggufsIn(folder).filter(isVision);
  const others = ggufsIn(folder).filter((name) => !isVision(name));
  const own = towers.find((name) => name === `mmproj-${basename(model)}`);
  const only = towers.length === 1 && others.length === 1 ? towers[0] : undefined;
  const found = own ?? only;
  return found === undefined ? undefined : join(folder, found);
}

function made(name: string, model: string, mmproj: string | undefined): ResolvedModel {
  return mmproj === undefined ? { name, model } : { name, model, mmproj };
}

function ggufsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.gguf'))
    .sort();
}

function isVision(name: string): boolean {
  return name.startsWith('mmproj-');
}

function nameOf(path: string): string {
  return basename(path).replace(/\.gguf$/, '');
}
