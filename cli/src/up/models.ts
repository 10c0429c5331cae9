import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { TercetError } from '@tercet/contracts';
import { mapFile } from '@tercet/ggml';
import { openGguf, resolveModel } from '@tercet/models';
import { openModelStore } from '../model-store.js';
import type { ModelPaths } from './topology.js';

/**
 * Files of the models that a person named: a name of the catalog, a folder or a GGUF file (`model.gguf`, or
 * `model.gguf+mmproj.gguf` where the vision tower does not lie beside it).
 * @throws model_not_found, model_file_missing; their details say what to do
 */
export async function resolveModels(names: readonly string[]): Promise<ModelPaths[]> {
  const models = await Promise.all(names.map((name) => (name.includes('.gguf+') ? fromPair(name) : fromStore(name))));
  return models.map((model) => (isEmbedder(model.path) ? { ...model, isEmbedder: true } : model));
}

/**
 * Brings the files into memory before several processes map them at once: only while nobody does can the pages of a
 * file be exchanged for huge ones.
 */
export function readAhead(models: readonly ModelPaths[]): void {
  for (const { path } of models) mapFile(path).free();
}

/** True when the file does not say how its model was tuned to chat, as with base models. */
export function lacksTemplate({ path, isEmbedder }: ModelPaths): boolean {
  return isEmbedder !== true && !openGguf(path).metadata.has('tokenizer.chat_template');
}

function isEmbedder(path: string): boolean {
  return openGguf(path).requireString('general.architecture') === 'bert';
}

async function fromStore(nameOrPath: string): Promise<ModelPaths> {
  const { name, model, mmproj } = await resolveModel(nameOrPath, openModelStore());
  return mmproj === undefined ? { name, path: model } : { name, path: model, mmprojPath: mmproj };
}

async function fromPair(text: string): Promise<ModelPaths> {
  const [path = '', mmprojPath = ''] = text.split('+').map((part) => resolve(part));
  const missing = [path, mmprojPath].find((file) => !existsSync(file));
  if (missing !== undefined) throw new TercetError('model_file_missing', { path: missing });
  return { name: basename(path, '.gguf'), path, mmprojPath };
}
