import { TercetError } from '@tercet/contracts';
import { datetimeMs } from '../payload.js';
import type { FieldKind, FieldSpec } from '../spec.js';
import type { Bounds, CheckedFilter, Filter, FilterValue } from './filter.js';

const depthMax = 16;
const conditionsMax = 1024;
const valuesMax = 10_000;

/**
 * The filter with its values as fields are searched by.
 * @throws filter_invalid for what has no meaning: an empty list, a value of another type, bounds that nothing is within
 * @throws field_unknown
 */
export function checkFilter(filter: Filter, fields: readonly FieldSpec[]): CheckedFilter {
  const left = { conditions: conditionsMax };
  return check(filter, { fields, left, depth: 0 });
}

interface Place {
  readonly fields: readonly FieldSpec[];
  readonly left: { conditions: number };
  readonly depth: number;
}

function check(filter: Filter, place: Place): CheckedFilter {
  place.left.conditions--;
  if (place.depth >= depthMax) throw invalid('nested too deep', { depthMax });
  if (place.left.conditions < 0) throw invalid('too many conditions', { conditionsMax });
  const inner = { ...place, depth: place.depth + 1 };
  switch (filter.kind) {
    case 'and':
    case 'or':
      if (filter.filters.length === 0) throw invalid(`${filter.kind} of nothing`);
      return { kind: filter.kind, filters: filter.filters.map((each) => check(each, inner)) };
    case 'not':
      return { kind: 'not', filter: check(filter.filter, inner) };
    case 'in':
      return checkIn(filter, fieldOf(filter.field, place));
    case 'range':
      return checkRange(filter, fieldOf(filter.field, place));
    case 'match': {
      const { name, kind } = fieldOf(filter.field, place);
      if (kind !== 'text') throw invalid('match needs a text', { field: name, kind });
      if (filter.words.trim() === '') throw invalid('match without a word', { field: name });
      return { kind: 'match', field: name, words: filter.words };
    }
    case 'exists':
      return { kind: 'exists', field: fieldOf(filter.field, place).name };
    default:
      return filter satisfies never;
  }
}

function fieldOf(name: string, { fields }: Place): FieldSpec {
  const field = fields.find((each) => each.name === name);
  if (field === undefined) {
    const searched = fields.filter(({ kind }) => kind !== 'stored');
    throw new TercetError('field_unknown', { field: name.slice(0, 100), known: searched.map((each) => each.name) });
  }
  if (field.kind === 'stored') throw invalid('a stored field is not searched', { field: name });
  return field;
}

function checkIn({ values }: Extract<Filter, { kind: 'in' }>, { name: field, kind }: FieldSpec): CheckedFilter {
  if (values.length === 0) throw invalid('in without a value', { field });
  if (values.length > valuesMax) throw invalid('too many values', { field, values: values.length, valuesMax });
  switch (kind) {
    case 'keyword':
    case 'bool': {
      const type = kind === 'bool' ? 'boolean' : 'string';
      if (!values.every((value) => typeof value === type)) throw wrongType(field, kind);
      return { kind: 'in keywords', field, values: [...new Set(values.map(String))] };
    }
    case 'integer':
    case 'float':
    case 'datetime':
      return { kind: 'in numbers', field, values: [...new Set(values.map((value) => numberOf(value, field, kind)))] };
    default:
      throw invalid('in needs a keyword, a number, a bool or a datetime', { field, kind });
  }
}

function checkRange(filter: Extract<Filter, { kind: 'range' }>, { name: field, kind }: FieldSpec): CheckedFilter {
  if (kind !== 'integer' && kind !== 'float' && kind !== 'datetime') {
    throw invalid('range needs a number or a datetime', { field, kind });
  }
  const given = (['above', 'atLeast', 'below', 'atMost'] as const).flatMap((bound) => {
    const value = filter[bound];
    // A bound of an integer may lie between two of them.
    return value === undefined ? [] : [[bound, numberOf(value, field, kind === 'integer' ? 'float' : kind)] as const];
  });
  if (given.length === 0) throw invalid('range without a bound', { field });
  const bounds: Bounds<number> = Object.fromEntries(given);
  if (bounds.above !== undefined && bounds.atLeast !== undefined) throw invalid('two lower bounds', { field });
  if (bounds.below !== undefined && bounds.atMost !== undefined) throw invalid('two upper bounds', { field });
  const [low, high] = [bounds.above ?? bounds.atLeast, bounds.below ?? bounds.atMost];
  if (low !== undefined && high !== undefined && low > high) throw invalid('nothing is within the bounds', { field });
  return { kind: 'range', field, bounds };
}

function numberOf(value: FilterValue, field: string, kind: FieldKind): number {
  const number = kind === 'datetime' && typeof value === 'string' ? datetimeMs(value) : value;
  const isRight = typeof number === 'number' && Number.isFinite(number) && (kind === 'datetime') === (number !== value);
  if (!isRight || (kind === 'integer' && !Number.isSafeInteger(number))) throw wrongType(field, kind);
  return number;
}

function wrongType(field: string, kind: FieldKind): TercetError {
  const expected = kind === 'datetime' ? 'a datetime as in 2026-01-31T12:00:00Z' : kind;
  return invalid('a value of another type', { field, expected });
}

function invalid(reason: string, details: Readonly<Record<string, string | number>> = {}): TercetError {
  return new TercetError('filter_invalid', { reason, ...details });
}
