import { TercetError } from '@tercet/contracts';

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export const typeNames = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
export type TypeName = (typeof typeNames)[number];

/** Keywords that say nothing about what is valid. */
const annotations = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'examples',
  'example',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
]);

/** Keywords that constrain one kind of value, among them ones that no grammar here enforces. */
const kindOf: Readonly<Record<string, 'object' | 'array' | 'string' | 'number'>> = {
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  unevaluatedProperties: 'object',
  patternProperties: 'object',
  propertyNames: 'object',
  minProperties: 'object',
  maxProperties: 'object',
  dependentRequired: 'object',
  dependentSchemas: 'object',
  dependencies: 'object',
  items: 'array',
  prefixItems: 'array',
  additionalItems: 'array',
  unevaluatedItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  contains: 'array',
  minContains: 'array',
  maxContains: 'array',
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'number',
};

/** A schema and where it stands, for messages. */
export interface SchemaAt {
  readonly schema: JsonObject;
  /** JSON pointer within the whole schema. */
  readonly pointer: string;
}

export function refuse(pointer: string, keyword: string, reason?: string): never {
  throw new TercetError('grammar_unsupported', { at: pointer === '' ? '#' : pointer, keyword, reason });
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keywords of a schema that constrain. */
export function constraintsOf({ schema }: SchemaAt): string[] {
  return Object.keys(schema).filter((keyword) => !annotations.has(keyword) && !keyword.startsWith('x-'));
}

/** @throws grammar_unsupported for a constraint that is not among those named */
export function onlyConstraints(at: SchemaAt, allowed: readonly string[]): void {
  for (const keyword of constraintsOf(at)) {
    if (!allowed.includes(keyword)) refuse(at.pointer, keyword, 'not together with the keywords beside it');
  }
}

/**
 * Types of the values that will be made. A schema without `type` would also allow values that its keywords do not speak
 * of; those are left out. Keywords for other types than the named ones constrain nothing.
 * @throws grammar_unsupported for a keyword that nobody knows, or a type that is none
 */
export function typesOf(at: SchemaAt): readonly TypeName[] {
  const { schema, pointer } = at;
  const constraints = constraintsOf(at).filter((keyword) => keyword !== 'type');
  for (const keyword of constraints) if (kindOf[keyword] === undefined) refuse(pointer, keyword);
  const named = schema.type;
  if (named === undefined) {
    const kinds = new Set(constraints.map((keyword) => kindOf[keyword] as TypeName));
    return kinds.size === 0 ? typeNames.filter((name) => name !== 'integer') : [...kinds];
  }
  const names = (Array.isArray(named) ? named : [named]) as readonly TypeName[];
  for (const name of names) if (!typeNames.includes(name)) refuse(pointer, 'type');
  if (names.length === 0) refuse(pointer, 'type');
  return names.filter((name) => name !== 'integer' || !names.includes('number'));
}

/** A count keyword. @throws grammar_unsupported unless it is a whole number from 0 */
export function countOf<T>({ schema, pointer }: SchemaAt, keyword: string, absent: T): number | T {
  const value = schema[keyword];
  if (value === undefined) return absent;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) refuse(pointer, keyword, 'not a count');
  return value;
}

/** @throws grammar_unsupported when one of the keywords is there */
export function without({ schema, pointer }: SchemaAt, keywords: readonly string[]): void {
  for (const keyword of keywords) if (schema[keyword] !== undefined) refuse(pointer, keyword);
}

export function childPointer(pointer: string, ...keys: readonly string[]): string {
  return [pointer, ...keys.map((key) => key.replaceAll('~', '~0').replaceAll('/', '~1'))].join('/');
}
