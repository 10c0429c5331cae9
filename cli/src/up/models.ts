import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TercetError } from '@tercet/contracts';
import type { ModelPaths } from './topology.js';

/** Models that come with the repository. */
const bundled = fileURLToPath(new URL('../../../models/', import.meta.url));

/**
 * Files of the models that a person named: a name of the catalog, or a GGUF file (`model.gguf`, or
 * `model.gguf+mmproj.gguf` for one that sees).
 * @throws model_file_missing
 */
export async function resolveModels(names: readonly string[]): Promise<ModelPaths[]> {
  return names.map((name) => (name.includes('.gguf') ? fromFiles(name) : fromFolder(name)));
}

function fromFiles(text: string): ModelPaths {
  const [path = '', mmproj] = text.split('+').map((part) => resolve(part));
  for (const file of [path, mmproj]) {
    if (file !== undefined && !existsSync(file)) throw new TercetError('model_file_missing', { path: file });
  }
  const name = basename(path, '.gguf');
  return mmproj === undefined ? { name, path } : { name, path, mmprojPath: mmproj };
}

function fromFolder(name: string): ModelPaths {
  const path = join(bundled, 'tiny', `${name}.gguf`);
  const mmprojPath = join(dirname(path), `mmproj-${name}.gguf`);
  if (!existsSync(path)) throw new TercetError('model_file_missing', { model: name, path });
  return existsSync(mmprojPath) ? { name, path, mmprojPath } : { name, path };
}
