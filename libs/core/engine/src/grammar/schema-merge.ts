import {
  constraintsOf,
  isObject,
  type Json,
  type JsonObject,
  refuse,
  type SchemaAt,
  typesOf,
} from './schema-keywords.js';
import { resolveReference } from './schema-references.js';

const depthMax = 32;
const partsMax = 256;

/**
 * One schema that allows what the schema, what it refers to and all its `allOf` allow together: `$ref` and `allOf` are
 * gone from its outermost level. @throws grammar_unsupported where two keywords cannot be made one
 */
export function mergedSchema(root: Json, at: SchemaAt): JsonObject {
  const parts: JsonObject[] = [];
  addParts(root, at, { depth: 0, out: parts });
  return parts.reduce((a, b) => merge(a, b, at.pointer), {});
}

/** The same for a schema of `anyOf` or `oneOf` together with the keywords beside them. */
export function withSiblings(branch: Json, siblings: JsonObject, pointer: string): Json {
  if (branch === false) return branch;
  if (branch === true) return siblings;
  if (!isObject(branch)) refuse(pointer, 'schema', 'neither an object nor a boolean');
  return { allOf: [branch, siblings] };
}

function addParts(
  root: Json,
  at: SchemaAt,
  { depth, out }: { readonly depth: number; readonly out: JsonObject[] },
): void {
  const { schema, pointer } = at;
  if (depth > depthMax) refuse(pointer, '$ref', 'a schema refers to itself and nothing else');
  if (depth > 0) checkPart(root, at);
  const { $ref, allOf, ...rest } = schema;
  out.push(rest as JsonObject);
  if (out.length > partsMax) refuse(pointer, 'allOf', 'too many parts');
  const add = (part: Json) => {
    if (part === false) refuse(pointer, 'allOf', 'no value is valid');
    if (isObject(part)) addParts(root, { schema: part, pointer }, { depth: depth + 1, out });
    else if (part !== true) refuse(pointer, 'allOf', 'neither an object nor a boolean');
  };
  if ($ref !== undefined) add(resolveReference(root, at).schema);
  if (allOf !== undefined) {
    if (!Array.isArray(allOf)) refuse(pointer, 'allOf', 'not a list of schemas');
    for (const part of allOf as readonly Json[]) add(part);
  }
}

/** Keywords that see no further than their own part, or further than a merged schema would show. */
function checkPart(root: Json, { schema, pointer }: SchemaAt): void {
  if (schema.$id !== undefined && schema !== root) refuse(pointer, '$id', 'not within a schema');
  for (const keyword of ['unevaluatedProperties', 'unevaluatedItems']) {
    if (schema[keyword] !== undefined && schema[keyword] !== true) refuse(pointer, keyword, 'within a part');
  }
}

function merge(a: JsonObject, b: JsonObject, pointer: string): JsonObject {
  const out: Record<string, Json> = { ...a };
  for (const keyword of constraintsOf({ schema: b, pointer })) {
    const [one, other] = [out[keyword], b[keyword] as Json];
    if (one === undefined) out[keyword] = other;
    else if (JSON.stringify(one) !== JSON.stringify(other)) out[keyword] = mergeKeyword(keyword, [one, other], pointer);
  }
  checkOthers([a, b], pointer);
  checkTuples([a, b], pointer);
  return out;
}

function mergeKeyword(keyword: string, [a, b]: readonly [Json, Json], pointer: string): Json {
  switch (keyword) {
    case 'type':
      return mergeTypes([a, b], pointer);
    case 'required':
      if (Array.isArray(a) && Array.isArray(b)) return [...new Set([...a, ...b] as Json[])];
      break;
    case 'properties':
      if (isObject(a) && isObject(b)) return mergeProperties(a, b);
      break;
    case 'items':
    case 'additionalProperties':
    case 'propertyNames':
      if (!Array.isArray(a) && !Array.isArray(b)) return { allOf: [a, b] };
      break;
    case 'enum':
      if (Array.isArray(a) && Array.isArray(b)) return commonValues(a, b);
      break;
    case 'minimum':
    case 'exclusiveMinimum':
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return Math.max(a as number, b as number);
    case 'maximum':
    case 'exclusiveMaximum':
    case 'maxLength':
    case 'maxItems':
      return Math.min(a as number, b as number);
    case 'unevaluatedProperties':
    case 'unevaluatedItems':
      return false;
    default:
      break;
  }
  return refuse(pointer, keyword, 'twice in one place, and not the same');
}

function mergeTypes([a, b]: readonly [Json, Json], pointer: string): Json {
  const [one, other] = [a, b].map((type) => new Set<string>(typesOf({ schema: { type }, pointer })));
  const both = [...(one as Set<string>)].filter((type) => (other as Set<string>).has(type));
  const isWhole = (one?.has('integer') && other?.has('number')) || (one?.has('number') && other?.has('integer'));
  if (isWhole) both.push('integer');
  if (both.length === 0) refuse(pointer, 'type', 'no value is valid');
  return both;
}

function mergeProperties(a: JsonObject, b: JsonObject): JsonObject {
  const out: Record<string, Json> = { ...a };
  for (const [name, schema] of Object.entries(b)) {
    out[name] = Object.hasOwn(a, name) ? { allOf: [a[name] as Json, schema] } : schema;
  }
  return out;
}

function commonValues(a: readonly Json[], b: readonly Json[]): Json[] {
  const texts = new Set(b.map((value) => JSON.stringify(value)));
  return a.filter((value) => texts.has(JSON.stringify(value)));
}

/** What one part says of properties that it does not name must hold for those that the other names: too much here. */
function checkOthers([a, b]: readonly [JsonObject, JsonObject], pointer: string): void {
  const namesOf = (schema: JsonObject) => Object.keys(isObject(schema.properties) ? schema.properties : {});
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const others = one.additionalProperties;
    if (others === undefined || others === true) continue;
    const known = new Set(namesOf(one));
    if (namesOf(other).some((name) => !known.has(name))) {
      refuse(pointer, 'additionalProperties', 'beside properties of another part');
    }
  }
}

/** What `items` speaks of depends on the tuple beside it. */
function checkTuples([a, b]: readonly [JsonObject, JsonObject], pointer: string): void {
  const isTuple = (schema: JsonObject) => schema.prefixItems !== undefined || Array.isArray(schema.items);
  const hasItems = (schema: JsonObject) => isTuple(schema) || schema.items !== undefined;
  if ((isTuple(a) && hasItems(b)) || (isTuple(b) && hasItems(a))) refuse(pointer, 'items', 'a tuple in several parts');
}
