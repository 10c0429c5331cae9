import { TercetError } from '@tercet/contracts';
import { isLanguage, languages } from './text/words.js';
import type { Metric } from './vector-index.js';

/** `stored` is kept and returned, and never searched. */
export const fieldKinds = ['keyword', 'integer', 'float', 'bool', 'datetime', 'text', 'stored'] as const;
export type FieldKind = (typeof fieldKinds)[number];

export interface FieldSpec {
  readonly name: string;
  readonly kind: FieldKind;
  /** Of a text: whose word endings count as one word; absent: words as they stand. */
  readonly language?: string;
}

/** What a collection holds, fixed when it is made. */
export interface CollectionSpec {
  readonly name: string;
  readonly dimensions: number;
  readonly metric: Metric;
  readonly fields: readonly FieldSpec[];
  /** Whoever writes texts without vectors embeds this field with this model. */
  readonly embedding?: { readonly model: string; readonly field: string };
}

/** What one collection and one call may have at most. */
export interface CollectionLimits {
  readonly dimensionsMax: number;
  readonly fieldsMax: number;
  readonly pointsMax: number;
  readonly idCharsMax: number;
  readonly payloadBytesMax: number;
  /** Points of one write, and of one answer. */
  readonly callPointsMax: number;
}

const namePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const fieldPattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/;

/** @throws invalid_request for a name that cannot be one of a collection */
export function checkCollectionName(name: string): void {
  if (namePattern.test(name)) return;
  const reason = '1 to 63 of a-z, 0-9, _ and -, the first no sign';
  throw new TercetError('invalid_request', { param: 'name', name: name.slice(0, 100), reason });
}

/** @throws invalid_request, index_limit_reached */
export function checkSpec(spec: CollectionSpec, { dimensionsMax, fieldsMax }: CollectionLimits): void {
  checkCollectionName(spec.name);
  const { dimensions, fields, embedding } = spec;
  if (!Number.isInteger(dimensions) || dimensions < 1) throw wrong('dimensions', 'a whole number from 1 on');
  if (dimensions > dimensionsMax) throw new TercetError('index_limit_reached', { dimensions, dimensionsMax });
  if (fields.length > fieldsMax) throw new TercetError('index_limit_reached', { fields: fields.length, fieldsMax });
  const names = new Set<string>();
  for (const field of fields) {
    if (names.has(field.name)) throw wrong('fields', `${field.name} stands there twice`);
    names.add(field.name);
    checkField(field);
  }
  if (embedding === undefined) return;
  const embedded = fields.find(({ name }) => name === embedding.field);
  if (embedded?.kind !== 'text' && embedded?.kind !== 'stored') {
    throw wrong('embedded_field', 'the name of a field of kind text or stored');
  }
}

function checkField({ name, kind, language }: FieldSpec): void {
  if (!fieldPattern.test(name)) throw wrong('fields', `${name.slice(0, 100)} cannot be the name of a field`);
  if (language === undefined) return;
  if (kind !== 'text') throw wrong('fields', `${name} is no text, and has no language`);
  if (!isLanguage(language)) throw wrong('fields', `${name}: languages are ${languages.join(', ')}`);
}

function wrong(param: string, reason: string): TercetError {
  return new TercetError('invalid_request', { param, reason });
}
