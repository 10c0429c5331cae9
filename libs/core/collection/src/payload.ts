import { TercetError } from '@tercet/contracts';
import type { CollectionLimits, CollectionSpec, FieldSpec } from './spec.js';

/** A field of a point as it is searched: datetimes are milliseconds since 1970, a keyword may have several values. */
export type FieldValue =
  | { readonly kind: 'keyword'; readonly values: readonly string[] }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly text: string };

type JsonObject = Readonly<Record<string, unknown>>;

const keywordsMax = 64;
const keywordCharsMax = 512;

/** @throws payload_invalid, field_unknown, index_limit_reached */
export function checkPayload(
  { fields }: CollectionSpec,
  json: string,
  { id, limits }: { readonly id: string; readonly limits: CollectionLimits },
): void {
  const { payloadBytesMax } = limits;
  // A UTF-16 unit takes three bytes of UTF-8 at most, and one at least.
  if (json.length > payloadBytesMax || (json.length * 3 > payloadBytesMax && utf8Bytes(json) > payloadBytesMax)) {
    throw new TercetError('index_limit_reached', { id, payloadBytesMax });
  }
  for (const [name, value] of Object.entries(parsePayload(json, id))) {
    const field = fields.find((each) => each.name === name);
    if (field === undefined) {
      throw new TercetError('field_unknown', { id, field: name.slice(0, 100), known: fields.map((each) => each.name) });
    }
    if (!fits(field, value)) throw new TercetError('payload_invalid', { id, field: name, expected: expectedOf(field) });
  }
}

/** The fields of a payload that are searched. The payload was checked. */
export function fieldValues({ fields }: CollectionSpec, json: string): [string, FieldValue][] {
  if (json === '') return [];
  const payload = JSON.parse(json) as JsonObject;
  return fields.flatMap((field): [string, FieldValue][] => {
    const value = payload[field.name];
    const typed = value === null || value === undefined ? undefined : typedValue(field, value);
    return typed === undefined ? [] : [[field.name, typed]];
  });
}

/** @returns milliseconds since 1970; undefined for what is no RFC 3339 datetime */
export function datetimeMs(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

function parsePayload(json: string, id: string): JsonObject {
  if (json === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new TercetError('payload_invalid', { id, reason: 'not JSON' }, { cause });
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as JsonObject;
  throw new TercetError('payload_invalid', { id, reason: 'not an object' });
}

/** `null` is as good as absent. */
function fits({ kind }: FieldSpec, value: unknown): boolean {
  if (value === null) return true;
  switch (kind) {
    case 'keyword':
      return Array.isArray(value) ? value.length <= keywordsMax && value.every(isKeyword) : isKeyword(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number' && Number.isFinite(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'datetime':
      return typeof value === 'string' && datetimeMs(value) !== undefined;
    case 'text':
      return typeof value === 'string';
    case 'stored':
      return true;
    default:
      return kind satisfies never;
  }
}

function expectedOf({ kind }: FieldSpec): string {
  switch (kind) {
    case 'keyword':
      return `a text of at most ${keywordCharsMax} characters, or at most ${keywordsMax} of them`;
    case 'datetime':
      return 'a datetime as in 2026-01-31T12:00:00Z';
    default:
      return kind;
  }
}

function isKeyword(value: unknown): boolean {
  return typeof value === 'string' && value.length <= keywordCharsMax;
}

function typedValue({ kind }: FieldSpec, value: unknown): FieldValue | undefined {
  switch (kind) {
    case 'keyword':
      return { kind: 'keyword', values: [...new Set((Array.isArray(value) ? value : [value]) as string[])] };
    case 'bool':
      return { kind: 'keyword', values: [String(value)] };
    case 'integer':
    case 'float':
      return { kind: 'number', value: value as number };
    case 'datetime':
      return { kind: 'number', value: datetimeMs(value as string) as number };
    case 'text':
      return { kind: 'text', text: value as string };
    case 'stored':
      return undefined;
    default:
      return kind satisfies never;
  }
}

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
