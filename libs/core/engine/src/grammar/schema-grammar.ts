import { anyOf, call, declareRule, type Fragment, limitStates, type Rule } from './automaton.js';
import { anyArray, anyBoolean, anyNull, anyObject, anyValue } from './json-text.js';
import { areDisjoint } from './schema-disjoint.js';
import {
  constraintsOf,
  isObject,
  type Json,
  onlyConstraints,
  refuse,
  type SchemaAt,
  type TypeName,
  typesOf,
} from './schema-keywords.js';
import { mergedSchema, withSiblings } from './schema-merge.js';
import { objectFragment } from './schema-object.js';
import { resolveReference } from './schema-references.js';
import { arrayFragment, numberFragment, oneOfValues, stringFragment } from './schema-values.js';

/** States that one schema may need; a large `maxItems` or `maxLength` needs as many. */
const statesMax = 50_000;

/** Ends the pointer of a schema that is not as it stands in the text. No pointer has it: `~` is written `~0`. */
const changed = '~2';

/** Schemas that are merged may unfold into themselves for ever; their pointers then grow. */
const pointerLengthMax = 4096;

/**
 * Texts of a JSON schema (draft 7 and 2020-12): every text of the rule is valid JSON and valid under the schema. Not
 * every valid text is one: properties come in the schema's order, numbers and blanks are bounded, constants are written
 * the shortest way. A keyword that cannot be enforced is refused, never passed over.
 * @throws grammar_unsupported
 */
export function schemaRule(schema: Json): Rule {
  return limitStates(statesMax, () => new SchemaGrammar(schema).build());
}

class SchemaGrammar {
  readonly #root: Json;
  readonly #rules = new Map<string, Rule>();
  /** Rules that are declared and not filled. */
  readonly #open: (() => void)[] = [];

  constructor(root: Json) {
    this.#root = root;
  }

  build(): Rule {
    const { rule, fill } = declareRule();
    fill(this.#childOf(this.#root, ''));
    for (let next = this.#open.pop(); next !== undefined; next = this.#open.pop()) next();
    return rule;
  }

  readonly #childOf = (schema: Json, pointer: string): Fragment => {
    if (schema === true) return anyValue;
    if (pointer.length > pointerLengthMax) refuse(pointer.slice(0, 64), 'allOf', 'unfolds for ever');
    if (schema === false) refuse(pointer, 'false', 'no value is valid');
    if (!isObject(schema)) refuse(pointer, 'schema', 'neither an object nor a boolean');
    return call(this.#ruleAt({ schema, pointer }));
  };

  /** One rule for each place in the schema, so that a schema may refer to itself. */
  #ruleAt(at: SchemaAt): Rule {
    const known = this.#rules.get(at.pointer);
    if (known !== undefined) return known;
    const { rule, fill } = declareRule();
    this.#rules.set(at.pointer, rule);
    this.#open.push(() => fill(this.#valueOf(at)));
    return rule;
  }

  #valueOf(at: SchemaAt): Fragment {
    const { schema, pointer } = at;
    if (pointer !== '' && schema.$id !== undefined) refuse(pointer, '$id', 'not within a schema');
    if (schema.$ref !== undefined && constraintsOf(at).length === 1) {
      const target = resolveReference(this.#root, at);
      return this.#childOf(target.schema, target.pointer);
    }
    if (schema.$ref !== undefined || schema.allOf !== undefined) {
      return this.#valueOf({ schema: mergedSchema(this.#root, at), pointer: `${pointer}${changed}` });
    }
    for (const keyword of ['anyOf', 'oneOf'] as const) {
      if (schema[keyword] !== undefined) return this.#alternatives(at, keyword);
    }
    if (schema.const !== undefined || schema.enum !== undefined) return this.#constants(at);
    if (constraintsOf(at).length === 0) return anyValue;
    return anyOf(...typesOf(at).map((type) => this.#valueOfType(at, type)));
  }

  #constants(at: SchemaAt): Fragment {
    const { schema, pointer } = at;
    onlyConstraints(at, ['const', 'enum', 'type']);
    const listed = schema.enum ?? [schema.const as Json];
    if (!Array.isArray(listed)) refuse(pointer, 'enum', 'not a list');
    const types = schema.type === undefined ? undefined : typesOf({ schema: { type: schema.type }, pointer });
    const values = (listed as readonly Json[])
      .filter((value) => schema.const === undefined || JSON.stringify(value) === JSON.stringify(schema.const))
      .filter((value) => types === undefined || isOfType(value, types));
    if (values.length === 0) refuse(pointer, 'enum', 'no value is valid');
    return oneOfValues(values);
  }

  /** Keywords beside them hold for each of them. `oneOf` is `anyOf` where no value can be valid twice. */
  #alternatives({ schema, pointer }: SchemaAt, keyword: 'anyOf' | 'oneOf'): Fragment {
    const branches = schema[keyword];
    if (!Array.isArray(branches) || branches.length === 0) refuse(pointer, keyword, 'not a list of schemas');
    if (keyword === 'oneOf' && !areDisjoint(this.#root, branches, pointer)) {
      refuse(pointer, keyword, 'values may be valid under several of the schemas');
    }
    const siblings = Object.fromEntries(
      constraintsOf({ schema, pointer })
        .filter((one) => one !== keyword)
        .map((one) => [one, schema[one] as Json]),
    );
    const parts = branches.map((branch: Json, i) => {
      const place = `${pointer}/${keyword}/${i}`;
      if (Object.keys(siblings).length === 0) return this.#childOf(branch, place);
      return this.#childOf(withSiblings(branch, siblings, pointer), `${place}${changed}`);
    });
    return anyOf(...parts);
  }

  #valueOfType(at: SchemaAt, type: TypeName): Fragment {
    const isBare = Object.keys(at.schema).every((keyword) => keyword === 'type');
    switch (type) {
      case 'object':
        return isBare ? anyObject : objectFragment(at, this.#childOf);
      case 'array':
        return isBare ? anyArray : arrayFragment(at, this.#childOf);
      case 'string':
        return stringFragment(at);
      case 'number':
      case 'integer':
        return numberFragment(at, type);
      case 'boolean':
        return anyBoolean;
      case 'null':
        return anyNull;
      default:
        return type satisfies never;
    }
  }
}

function isOfType(value: Json, types: readonly TypeName[]): boolean {
  if (value === null) return types.includes('null');
  if (Array.isArray(value)) return types.includes('array');
  if (typeof value === 'number') {
    return types.includes('number') || (types.includes('integer') && Number.isInteger(value));
  }
  return types.includes(typeof value as TypeName);
}
