import { byteOf, type Fragment, literal, newState, nothing, type State, sequence } from './automaton.js';
import { codePointsOf, commonCodePoints, complementOf, utf8Of } from './code-points.js';
import { anyString, anyValue, blank, comma, member, plainCharacter } from './json-text.js';
import {
  childPointer,
  constraintsOf,
  countOf,
  isObject,
  type Json,
  onlyConstraints,
  refuse,
  type SchemaAt,
  without,
} from './schema-keywords.js';
import { type ChildOf, oneOfValues, stringFragment } from './schema-values.js';

interface Property {
  readonly name: string;
  readonly value: Fragment;
  readonly isRequired: boolean;
}

/**
 * An object: its properties in the order of the schema, then others where they are allowed. A schema that names
 * properties and says nothing of others gets none: models keep to what is described.
 */
export function objectFragment(at: SchemaAt, childOf: ChildOf): Fragment {
  without(at, ['dependentRequired', 'dependentSchemas', 'dependencies', 'maxProperties']);
  const { schema, pointer } = at;
  const patterns = schema.patternProperties;
  if (patterns !== undefined && !(isObject(patterns) && Object.keys(patterns).length === 0)) {
    refuse(pointer, 'patternProperties');
  }
  const properties = propertiesOf(at, childOf);
  const requiredCount = properties.filter(({ isRequired }) => isRequired).length;
  const min = countOf(at, 'minProperties', 0);
  // Names of others may come twice, so more than one member is no proof of more than one property.
  if (min > Math.max(requiredCount, 1)) refuse(pointer, 'minProperties', 'more than are required');
  const other = otherMember(at, { names: properties.map(({ name }) => name), childOf });
  const members = membersOf(properties, { other, mayBeEmpty: min === 0 });
  return sequence(literal('{'), blank, members, literal('}'));
}

/** Any property that the schema does not name; undefined where there may be none. */
function otherMember(
  at: SchemaAt,
  { names, childOf }: { readonly names: readonly string[]; readonly childOf: ChildOf },
): Fragment | undefined {
  const { pointer, schema } = at;
  const others = othersOf(at);
  const { propertyNames } = schema;
  const isAnyName = propertyNames === undefined || propertyNames === true || isPlainString(propertyNames);
  if (!isAnyName && names.length > 0) refuse(pointer, 'propertyNames', 'beside properties');
  if (others === false) return undefined;
  const value = childOf(others, `${pointer}/additionalProperties`);
  if (names.length > 0) return member(otherName(names), value);
  return member(isAnyName ? anyString : nameOf(propertyNames, `${pointer}/propertyNames`), value);
}

/** What writers of schemas put beside every map. */
function isPlainString(schema: Json): boolean {
  if (!isObject(schema) || (schema.type ?? 'string') !== 'string') return false;
  return constraintsOf({ schema, pointer: '' }).every((keyword) => keyword === 'type');
}

function nameOf(schema: Json, pointer: string): Fragment {
  if (!isObject(schema)) refuse(pointer, 'propertyNames', 'not a schema of names');
  if (Array.isArray(schema.enum) && schema.enum.every((name) => typeof name === 'string')) {
    onlyConstraints({ schema, pointer }, ['enum', 'type']);
    return oneOfValues(schema.enum);
  }
  onlyConstraints({ schema, pointer }, ['type', 'pattern', 'format', 'minLength', 'maxLength']);
  return stringFragment({ schema, pointer });
}

function othersOf({ schema, pointer }: SchemaAt): Json {
  const { additionalProperties, unevaluatedProperties } = schema;
  if (unevaluatedProperties !== undefined && typeof unevaluatedProperties !== 'boolean') {
    refuse(pointer, 'unevaluatedProperties');
  }
  return additionalProperties ?? unevaluatedProperties ?? schema.properties === undefined;
}

function propertiesOf(at: SchemaAt, childOf: ChildOf): Property[] {
  const { schema, pointer } = at;
  const { properties = {}, required = [] } = schema;
  if (!isObject(properties)) refuse(pointer, 'properties', 'not an object');
  if (!Array.isArray(required) || required.some((name) => typeof name !== 'string')) {
    refuse(pointer, 'required', 'not a list of names');
  }
  const requiredNames = new Set(required as readonly string[]);
  const named = Object.entries(properties)
    // A property that may never be there needs no rule.
    .filter(([name, value]) => value !== false || requiredNames.has(name))
    .map(([name, value]) => ({
      name,
      value: childOf(value, childPointer(pointer, 'properties', name)),
      isRequired: requiredNames.has(name),
    }));
  const unnamed = [...requiredNames].filter((name) => !Object.hasOwn(properties, name));
  const others = schema.additionalProperties ?? schema.unevaluatedProperties ?? true;
  return [
    ...named,
    ...unnamed.map((name) => ({
      name,
      value: others === true ? anyValue : childOf(others, `${pointer}/additionalProperties`),
      isRequired: true,
    })),
  ];
}

/**
 * Each property in turn is there or, if it may, is not; a comma stands before every member but the first. For each
 * property there is one state for "nothing yet" and one for "after a member".
 */
function membersOf(
  properties: readonly Property[],
  { other, mayBeEmpty }: { readonly other: Fragment | undefined; readonly mayBeEmpty: boolean },
): Fragment {
  return (from, to) => {
    let none: State | undefined = from;
    let some = newState();
    for (const { name, value, isRequired } of properties) {
      const nextSome = newState();
      const one = member(literal(JSON.stringify(name)), value);
      if (none !== undefined) one(none, nextSome);
      sequence(comma, one)(some, nextSome);
      if (isRequired) {
        none = undefined;
      } else {
        const nextNone: State = newState();
        if (none !== undefined) nothing(none, nextNone);
        nothing(some, nextSome);
        none = none === undefined ? undefined : nextNone;
      }
      some = nextSome;
    }
    if (other !== undefined) {
      const loop = newState();
      if (none !== undefined) other(none, loop);
      sequence(comma, other)(some, loop);
      sequence(comma, other)(loop, loop);
      blank(loop, to);
    }
    if (none !== undefined && mayBeEmpty) nothing(none, to);
    blank(some, to);
  };
}

/**
 * A property's name that is none of `names`. Without escapes, so that no name can be written in two ways.
 */
function otherName(names: readonly string[]): Fragment {
  const tree: NameNode = { isName: false, next: new Map() };
  for (const name of names) {
    let node = tree;
    for (const character of name) {
      const known: NameNode = node.next.get(character) ?? { isName: false, next: new Map() };
      node.next.set(character, known);
      node = known;
    }
    node.isName = true;
  }
  return (from, to) => {
    const free = newState();
    free.textRoom = Number.POSITIVE_INFINITY;
    plainCharacter(free, free);
    const quote = byteOf(0x22);
    quote(free, to);
    const start = newState();
    quote(from, start);
    addNameNode(tree, start, { free, to });
  };
}

interface NameNode {
  isName: boolean;
  readonly next: Map<string, NameNode>;
}

const unescaped = codePointsOf([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]);

function addNameNode(node: NameNode, at: State, ends: { readonly free: State; readonly to: State }): void {
  if (!node.isName) byteOf(0x22)(at, ends.to);
  const known = codePointsOf(
    ...[...node.next.keys()].map((character) => {
      const codePoint = character.codePointAt(0) as number;
      return [codePoint, codePoint] as const;
    }),
  );
  utf8Of(commonCodePoints(unescaped, complementOf(known)))(at, ends.free);
  for (const [character, next] of node.next) {
    const codePoint = character.codePointAt(0) as number;
    const step = commonCodePoints(unescaped, codePointsOf([codePoint, codePoint]));
    // A name with an escape cannot come out of here.
    if (step.length === 0) continue;
    const state = newState();
    utf8Of(step)(at, state);
    addNameNode(next, state, ends);
  }
}
