import { isObject, type Json, type JsonObject, type TypeName, typeNames } from './schema-keywords.js';
import { resolveReference } from './schema-references.js';

/** Properties within properties that are looked at. */
const depthMax = 4;

/** True when it is plain that no value is valid under two of the schemas: by type, by constants, or by a property. */
export function areDisjoint(root: Json, branches: readonly Json[], pointer: string): boolean {
  const schemas = branches.map((branch) => resolved(root, branch, pointer));
  return schemas.every((a, i) => schemas.slice(i + 1).every((b) => isPairDisjoint(root, [a, b], depthMax)));
}

function resolved(root: Json, schema: Json, pointer: string): Json {
  let at = schema;
  for (let i = 0; i < 32 && isObject(at) && at.$ref !== undefined; i++) {
    at = resolveReference(root, { schema: at, pointer }).schema;
  }
  return at;
}

function isPairDisjoint(root: Json, [a, b]: readonly [Json, Json], depth: number): boolean {
  if (depth === 0) return false;
  if (!isObject(a) || !isObject(b)) return a === false || b === false;
  const [constantsA, constantsB] = [constantsOf(a), constantsOf(b)];
  if (constantsA !== undefined && constantsB !== undefined) {
    const texts = new Set(constantsA.map((value) => JSON.stringify(value)));
    return !constantsB.some((value) => texts.has(JSON.stringify(value))) && areSimple([...constantsA, ...constantsB]);
  }
  const [typesA, typesB] = [typesIn(a), typesIn(b)];
  if (typesA.every((type) => !typesB.includes(type))) return true;
  const onlyObjects = [typesA, typesB].every((types) => types.every((type) => type === 'object'));
  if (!onlyObjects || !isObject(a.properties) || !isObject(b.properties)) return false;
  const [propertiesA, propertiesB] = [a.properties, b.properties];
  return Object.keys(propertiesA).some((name) => {
    if (!isRequired(a, name) || !isRequired(b, name) || propertiesB[name] === undefined) return false;
    const [one, other] = [propertiesA[name] as Json, propertiesB[name]].map((each) => resolved(root, each, ''));
    return isPairDisjoint(root, [one as Json, other as Json], depth - 1);
  });
}

function constantsOf(schema: JsonObject): readonly Json[] | undefined {
  if (schema.const !== undefined) return [schema.const];
  return Array.isArray(schema.enum) ? (schema.enum as readonly Json[]) : undefined;
}

/** Values that are equal only when their text is. */
function areSimple(values: readonly Json[]): boolean {
  return values.every((value) => typeof value !== 'object' || value === null);
}

function isRequired(schema: JsonObject, name: string): boolean {
  return Array.isArray(schema.required) && schema.required.includes(name);
}

/** Types that a value may have; `number` stands for both kinds of number. */
function typesIn(schema: JsonObject): readonly TypeName[] {
  const constants = constantsOf(schema);
  if (constants !== undefined) return constants.map(typeOfValue);
  if (schema.type === undefined) return typeNames;
  const named = (Array.isArray(schema.type) ? schema.type : [schema.type]) as readonly TypeName[];
  return named.map((type) => (type === 'integer' ? 'number' : type));
}

function typeOfValue(value: Json): TypeName {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : (typeof value as TypeName);
}
