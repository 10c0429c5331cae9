import { anyOf, type Fragment, literal, optional, repeat, sequence } from './automaton.js';
import { everyCodePoint } from './code-points.js';
import { type Bounds, numberWithin } from './decimal-range.js';
import { determinised } from './determinise.js';
import { formatPatterns, freeFormats, numberFormats } from './formats.js';
import { intersectionOf } from './intersection.js';
import { anyInteger, anyNumber, anyString, anyValue, blank, comma, listOf, quoted, stringOf } from './json-text.js';
import { patternText } from './pattern.js';
import { countOf, type Json, refuse, type SchemaAt, without } from './schema-keywords.js';
import { inSet, jsonTextOf } from './string-text.js';
import { lengthsOf } from './text-lengths.js';

/** The rule of the schema at a pointer below this one. */
export type ChildOf = (schema: Json, pointer: string) => Fragment;

const forever = Number.POSITIVE_INFINITY;

export function stringFragment(at: SchemaAt): Fragment {
  const { schema, pointer } = at;
  const min = countOf(at, 'minLength', 0);
  const max = countOf(at, 'maxLength', forever);
  if (max < min) refuse(pointer, 'maxLength', 'less than minLength');
  const { pattern, format } = schema;
  const contents: Fragment[] = [];
  if (format !== undefined && !freeFormats.has(format as string)) {
    contents.push(determinised(patternText(formatPatterns.get(format as string) ?? refuse(pointer, 'format'))));
  }
  if (pattern !== undefined) {
    if (typeof pattern !== 'string') refuse(pointer, 'pattern', 'not text');
    contents.push(determinised(patternText(pattern)));
  }
  if (contents.length === 0) return min === 0 && max === forever ? anyString : stringOf({ min, max });
  if (contents.every((content) => isLimitedBy(content, { min, max }))) {
    contents.push(repeat(inSet(everyCodePoint), { min, max }));
  }
  const content = contents.reduce(
    (a, b) => intersectionOf(a, b) ?? refuse(pointer, 'pattern', 'no text fits the other keywords'),
  );
  return quoted(jsonTextOf(content));
}

/** False when all texts of the pattern have such a length anyway: counting characters multiplies its states. */
function isLimitedBy(content: Fragment, { min, max }: { readonly min: number; readonly max: number }): boolean {
  if (min === 0 && max === forever) return false;
  const lengths = lengthsOf(content);
  return lengths.min < min || lengths.max > max;
}

/** Numbers between bounds are written without an exponent and with up to six digits after the point. */
export function numberFragment(at: SchemaAt, kind: 'number' | 'integer'): Fragment {
  const { schema, pointer } = at;
  const { format, multipleOf: step } = schema;
  if (step !== undefined && step !== 1) refuse(pointer, 'multipleOf');
  const ofFormat = format === undefined ? {} : (numberFormats.get(format as string) ?? refuse(pointer, 'format'));
  const isWhole = kind === 'integer' || step === 1 || ofFormat.least !== undefined;
  const bounds = tighter(boundsOf(at), ofFormat);
  if (bounds.least === undefined && bounds.most === undefined) return isWhole ? anyInteger : anyNumber;
  return numberWithin(bounds, isWhole ? 0 : 6) ?? refuse(pointer, 'minimum', 'no number lies within the bounds');
}

function tighter(bounds: Bounds, { least, most }: Bounds): Bounds {
  return {
    ...bounds,
    ...(least === undefined || (bounds.least ?? least - 1) >= least ? {} : { least, leastIsExclusive: false }),
    ...(most === undefined || (bounds.most ?? most + 1) <= most ? {} : { most, mostIsExclusive: false }),
  };
}

function boundsOf({ schema, pointer }: SchemaAt): Bounds {
  const bound = (keyword: string): number | undefined => {
    const value = schema[keyword];
    if (value !== undefined && typeof value !== 'number') refuse(pointer, keyword, 'not a number');
    return value;
  };
  const [minimum, above] = [bound('minimum'), bound('exclusiveMinimum')];
  const [maximum, below] = [bound('maximum'), bound('exclusiveMaximum')];
  const leastIsExclusive = above !== undefined && (minimum === undefined || above >= minimum);
  const mostIsExclusive = below !== undefined && (maximum === undefined || below <= maximum);
  const least = leastIsExclusive ? above : minimum;
  const most = mostIsExclusive ? below : maximum;
  return {
    ...(least === undefined ? {} : { least, leastIsExclusive }),
    ...(most === undefined ? {} : { most, mostIsExclusive }),
  };
}

/** Both the tuples of draft 2020-12 (`prefixItems`) and the older ones (`items` as a list, `additionalItems`). */
export function arrayFragment(at: SchemaAt, childOf: ChildOf): Fragment {
  const { schema, pointer } = at;
  without(at, ['contains', 'minContains', 'maxContains']);
  if (schema.uniqueItems !== undefined && schema.uniqueItems !== false) refuse(pointer, 'uniqueItems');
  const isOldTuple = Array.isArray(schema.items);
  const tupleKeyword = isOldTuple ? 'items' : 'prefixItems';
  const tuple = (schema[tupleKeyword] ?? []) as readonly Json[];
  if (!Array.isArray(tuple)) refuse(pointer, tupleKeyword, 'not a list');
  const restKeyword = isOldTuple ? 'additionalItems' : 'items';
  const rest = schema[restKeyword] ?? schema.unevaluatedItems !== false;
  if (schema.unevaluatedItems !== undefined && typeof schema.unevaluatedItems !== 'boolean') {
    refuse(pointer, 'unevaluatedItems');
  }
  const min = countOf(at, 'minItems', 0);
  const max = Math.min(countOf(at, 'maxItems', forever), rest === false ? tuple.length : forever);
  if (max < min) refuse(pointer, 'maxItems', 'less than minItems');
  const heads = tuple.slice(0, max).map((one, i) => childOf(one, `${pointer}/${tupleKeyword}/${i}`));
  const item = max <= tuple.length ? anyValue : rest === true ? anyValue : childOf(rest, `${pointer}/${restKeyword}`);
  if (heads.length === 0) return listOf(item, { min, max });
  return sequence(literal('['), blank, tupleOf(heads, { item, min, max }), blank, literal(']'));
}

/** The first items have rules of their own; a list may end at any of them that `min` lets it. */
function tupleOf(
  heads: readonly Fragment[],
  { item, min, max }: { readonly item: Fragment; readonly min: number; readonly max: number },
): Fragment {
  const others = repeat(sequence(comma, item), { min: Math.max(0, min - heads.length), max: max - heads.length });
  let tail: Fragment = others;
  for (let i = heads.length - 1; i >= 0; i--) {
    const head = heads[i] as Fragment;
    const here = i === 0 ? sequence(head, tail) : sequence(comma, head, tail);
    tail = i < min ? here : optional(here);
  }
  return tail;
}

/** One of some values, written the shortest way. */
export function oneOfValues(values: readonly Json[]): Fragment {
  return anyOf(...values.map((value) => literal(JSON.stringify(value))));
}
