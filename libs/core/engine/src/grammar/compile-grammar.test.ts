import { describe, expect, test } from '@jest/globals';
import { compileGrammar } from './compile-grammar.js';
import { standingOf } from './testing.js';

function ruleFor(schema: unknown) {
  return compileGrammar(typeof schema === 'string' ? schema : JSON.stringify(schema));
}

const integers = { type: 'array', items: { type: 'integer' } };
const point = { type: 'object', properties: { x: { type: 'integer' }, y: { type: 'integer' } }, required: ['x', 'y'] };
const tree = {
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
      required: ['value', 'next'],
      additionalProperties: false,
    },
  },
  $ref: '#/$defs/node',
};

function selfHolding(name: string) {
  return { type: 'object', properties: { next: { $ref: `#/$defs/${name}` } }, required: ['next'] };
}

describe('compileGrammar', () => {
  const cases: readonly {
    schema: unknown;
    whole: readonly string[];
    open?: readonly string[];
    outside: readonly string[];
  }[] = [
    {
      schema: 'json',
      whole: ['{}', '{ }', '{"a": [1, -2.5e3, null], "b": {"c": true}}', '{\n  "a": "\\u00e9\\ud83d\\ude00é😀"\n}'],
      open: ['', '{', '{"a', '{"a": 1'],
      outside: ['[', ' {', '{,', '{"a": 01', '{"a": .', '{"a": "\\x', '{} ', '{"a": "\\ud800"', '{"a": "\n'],
    },
    { schema: {}, whole: ['1', '[]', '"x"', 'null'], outside: ['nul1', '+1'] },
    { schema: { type: 'integer' }, whole: ['0', '-7', '120'], open: ['-'], outside: ['01', '1.', '1e', '--'] },
    {
      schema: { type: 'number' },
      whole: ['0', '-0.5', '1e9', '1.5E-07'],
      open: ['1.', '1e'],
      outside: ['.5', '1e123'],
    },
    { schema: { type: ['string', 'null'] }, whole: ['"a"', 'null'], outside: ['1', 'true'] },
    {
      schema: { enum: ['a', 'ab', 1, null, { b: [1] }] },
      whole: ['"a"', '"ab"', '1', 'null', '{"b":[1]}'],
      outside: ['2', '"b'],
    },
    { schema: { type: 'string', enum: ['a', 1] }, whole: ['"a"'], outside: ['1'] },
    { schema: { const: 'q"' }, whole: ['"q\\""'], outside: ['"q""'] },
    {
      schema: { type: 'string', minLength: 2, maxLength: 3 },
      whole: ['"ab"', '"é😀"', '"\\n\\u0041b"', '"\\ud83d\\ude00a"'],
      open: ['"a', '"abc', '"ab'],
      outside: ['"a"', '"abcd', '""'],
    },
    { schema: integers, whole: ['[]', '[1]', '[1, 2,3]'], open: ['[1'], outside: ['[,', '[1,]', '["'] },
    {
      schema: { ...integers, minItems: 2, maxItems: 3 },
      whole: ['[1,2]', '[1,2,3]'],
      outside: ['[1]', '[]', '[1,2,3,'],
    },
    { schema: { ...integers, maxItems: 0 }, whole: ['[]'], outside: ['[1'] },
    {
      schema: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false, minItems: 1 },
      whole: ['[1]', '[1, "a"]'],
      outside: ['[]', '["a"', '[1,"a",'],
    },
    {
      schema: { type: 'array', items: [{ const: 1 }], additionalItems: { const: 2 }, minItems: 3 },
      whole: ['[1,2,2]', '[1,2,2,2]'],
      outside: ['[1]', '[1,1', '[2'],
    },
    {
      schema: { ...point, additionalProperties: false },
      whole: ['{"x":1,"y":2}', '{ "x": 1, "y": 2 }'],
      outside: ['{}', '{"y"', '{"x":1}', '{"x":1,"y":2,'],
    },
    {
      schema: { ...point, required: ['y'] },
      whole: ['{"y":2}', '{"x":1,"y":2}'],
      outside: ['{"x":1}', '{"z"', '{"y":2,"x"'],
    },
    {
      schema: { ...point, required: [] },
      whole: ['{}', '{"x":1}', '{"y":1}', '{"x":1,"y":2}'],
      outside: ['{,', '{"x":1,}'],
    },
    {
      schema: { ...point, required: ['y', 'z'], additionalProperties: { type: 'boolean' } },
      whole: ['{"y":1,"z":true}', '{"x":1,"y":1,"z":true,"xx":false,"":true,"é":true}'],
      outside: ['{"y":1}', '{"y":1,"z":1', '{"y":1,"z":true,"x"', '{"y":1,"z":true,"\\u'],
    },
    {
      schema: { type: 'object', additionalProperties: { type: 'null' } },
      whole: ['{}', '{"a":null}'],
      outside: ['{"a":1'],
    },
    {
      schema: tree,
      whole: ['{"value":1,"next":{"value":2,"next":null}}'],
      open: ['{"value":1,"next":{'],
      outside: ['null'],
    },
    { schema: { items: { $ref: '#' }, type: 'array' }, whole: ['[]', '[[[]], []]'], outside: ['[1'] },
    { schema: { oneOf: [{ type: 'string' }, { type: 'integer' }] }, whole: ['"a"', '1'], outside: ['1.', 'null'] },
    {
      schema: {
        oneOf: ['a', 'b'].map((kind) => ({
          type: 'object',
          properties: { kind: { const: kind }, [kind]: { type: 'integer' } },
          required: ['kind', kind],
        })),
      },
      whole: ['{"kind":"a","a":1}', '{"kind":"b","b":1}'],
      outside: ['{"kind":"a","b"'],
    },
    { schema: { allOf: [{ type: 'null' }], description: 'nothing' }, whole: ['null'], outside: ['1'] },
    {
      schema: { type: 'integer', minimum: 3, maximum: 120 },
      whole: ['3', '9', '10', '99', '120'],
      outside: ['2,', '121', '-3', '03'],
    },
    {
      schema: { type: 'integer', exclusiveMinimum: -3, maximum: 1 },
      whole: ['-2', '-1', '0', '1'],
      outside: ['-3', '2', '-0'],
    },
    { schema: { type: 'integer', minimum: 0 }, whole: ['0', '7', '123456'], outside: ['-'] },
    {
      schema: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
      whole: ['0', '0.5', '0.999999', '0.0'],
      outside: ['1', '-', '0.9999999', '0e'],
    },
    {
      schema: { type: 'number', exclusiveMinimum: -1.25, maximum: 2.5 },
      whole: ['-1.2', '-1.249999', '0', '-0.1', '2.5', '2.50', '1.75'],
      outside: ['-1.25"', '2.6', '-1.3', '3'],
    },
    {
      schema: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' },
      whole: ['"AB-1"', '"ZZ-0123"'],
      open: ['"A'],
      outside: ['"a', '"ABC', '"AB-"'],
    },
    {
      schema: { type: 'string', pattern: 'b' },
      whole: ['"b"', '"abc"', '"\\nb"', '"b\\"é"'],
      outside: ['"a"', '"\\u004'],
    },
    {
      schema: { type: 'string', pattern: '^(a|bc)?d*$|^.x' },
      whole: ['""', '"addd"', '"bc"', '"dd"', '"éxyz"'],
      outside: ['"\\n', '"b"', '"ab"'],
    },
    {
      schema: { type: 'string', pattern: '^[^a-y"\\\\]\\u{41}$' },
      whole: ['"zA"', '"éA"'],
      outside: ['"a', '"\\"', '"\\\\'],
    },
    {
      schema: { type: 'string', pattern: '^a+b*$', minLength: 2, maxLength: 3 },
      whole: ['"aa"', '"ab"', '"aab"', '"abb"'],
      outside: ['"a"', '"b', '"aaaa', '"aba'],
    },
    {
      schema: { type: 'string', format: 'date', pattern: '^20[0-9-]+1$' },
      whole: ['"2024-01-31"', '"2099-12-01"'],
      outside: ['"19', '"2024-01-30'],
    },
    { schema: { type: 'integer', format: 'int32' }, whole: ['2147483647', '-2147483648'], outside: ['2147483648'] },
    {
      schema: { allOf: [{ type: 'number' }, { type: 'integer' }, { minimum: 3 }], maximum: 5 },
      whole: ['3', '5'],
      outside: ['2', '6', '3.'],
    },
    {
      schema: {
        $defs: { named: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
        $ref: '#/$defs/named',
        properties: { name: { maxLength: 1 }, age: { type: 'integer' } },
        required: ['age'],
      },
      whole: ['{"name":"a","age":1}'],
      outside: ['{"name":"ab', '{"name":"a"}', '{"age"'],
    },
    {
      schema: { type: 'string', pattern: '^[\\n\\v]$' },
      whole: ['"\\n"', '"\\u000b"'],
      outside: ['"\\u001', '"\\t', '"\\u000a'],
    },
    {
      schema: { type: 'string', format: 'uri', minLength: 1, maxLength: 2083 },
      whole: ['"https://example.org"', '"http://a.b-c.de:8080/x/y_z?q=1#top"'],
      outside: ['"ftp', '"https://.', '"https://a b'],
    },
    {
      schema: { type: 'string', format: 'duration' },
      whole: ['"P3D"', '"PT5M"', '"P1DT2H"', '"P4W"'],
      outside: ['"P"', '"PT"'],
    },
    { schema: { type: 'string', format: 'password', maxLength: 2 }, whole: ['"ab"'], outside: ['"abc'] },
    {
      schema: { type: 'string', pattern: 'b.{2,5}$', maxLength: 30 },
      whole: ['"abcd"', '"b\\u0000é"'],
      outside: ['"bc"', `"${'a'.repeat(31)}`],
    },
    {
      schema: { type: 'integer', anyOf: [{ minimum: 10 }, { maximum: -10 }], maximum: 12 },
      whole: ['10', '12', '-10', '-999'],
      outside: ['9,', '13', '-9,', '0'],
    },
    {
      // The schema of a branch, referred to from elsewhere, is not the branch with its siblings.
      schema: {
        type: 'array',
        prefixItems: [{ $ref: '#/$defs/x/anyOf/0' }, { $ref: '#/$defs/x' }],
        items: false,
        minItems: 2,
        $defs: { x: { anyOf: [{ type: 'string' }], maxLength: 1 } },
      },
      whole: ['["abc","a"]'],
      outside: ['["abc","ab'],
    },
    { schema: { type: 'object', propertyNames: { type: 'string' } }, whole: ['{"a":1}'], outside: ['{1'] },
    {
      schema: { type: 'object', propertyNames: { pattern: '^[a-z]$' }, additionalProperties: { type: 'null' } },
      whole: ['{"a":null,"b":null}'],
      outside: ['{"A', '{"ab'],
    },
    {
      schema: { type: 'object', propertyNames: { enum: ['k"', 'l'] } },
      whole: ['{"k\\"":1}', '{"l":{}}'],
      outside: ['{"m'],
    },
    {
      schema: { ...point, required: [], minProperties: 1 },
      whole: ['{"x":1}', '{"y":1}', '{"x":1,"y":2}'],
      outside: ['{}', '{,'],
    },
    {
      schema: { type: 'string', format: 'date' },
      whole: ['"2024-02-28"', '"1999-12-31"'],
      outside: ['"2024-02-29', '"2024-13', '"2024-04-31'],
    },
    {
      schema: { type: 'string', format: 'uuid' },
      whole: ['"123e4567-e89b-12d3-a456-426614174000"'],
      outside: ['"123e4567-e89b-92'],
    },
  ];
  test.each(cases.map((one) => [JSON.stringify(one.schema), one] as const))(
    '%s',
    (_, { schema, whole, open = [], outside }) => {
      const rule = ruleFor(schema);
      const shown = (texts: readonly string[]) => texts.map((text) => [text, standingOf(rule, text)]);
      expect(shown(whole)).toEqual(whole.map((text) => [text, 'whole']));
      expect(shown(open)).toEqual(open.map((text) => [text, standingOf(rule, text) === 'whole' ? 'whole' : 'open']));
      expect(shown(outside)).toEqual(outside.map((text) => [text, 'outside']));
    },
  );

  const refused: readonly (readonly [unknown, string])[] = [
    ['', 'neither'],
    ['root ::= "a"', 'neither'],
    [1, 'neither an object'],
    [false, 'no value'],
    [{ not: {} }, 'keyword: not'],
    [{ type: 'string', format: 'color' }, 'keyword: format'],
    [{ type: 'string', pattern: '(?=a)b' }, 'look around'],
    [{ type: 'string', pattern: '(a)\\1' }, '\\1'],
    [{ type: 'string', pattern: 'a^b' }, 'anchor'],
    [{ type: 'string', pattern: '[^\\s\\S]' }, 'without characters'],
    [{ type: 'string', pattern: '((a{1000}){1000}){1000}' }, 'too large'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'keyword: maxLength'],
    [{ type: 'array', uniqueItems: true }, 'keyword: uniqueItems'],
    [{ type: 'array', contains: {} }, 'keyword: contains'],
    [{ type: 'array', maxItems: 1_000_000_000 }, 'too large'],
    [{ type: 'object', patternProperties: { a: {} } }, 'keyword: patternProperties'],
    [{ type: 'object', properties: { a: { if: {} } } }, 'at: /properties/a'],
    [{ type: 'number', multipleOf: 0.5 }, 'keyword: multipleOf'],
    [{ type: 'integer', minimum: 3, maximum: 2 }, 'no number'],
    [{ type: 'date' }, 'keyword: type'],
    [{ nullable: true }, 'keyword: nullable'],
    [{ $ref: '#/$defs/none' }, 'keyword: $ref'],
    [{ $ref: 'other.json' }, 'keyword: $ref'],
    [{ $ref: '#' }, 'itself'],
    [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'itself'],
    [{ type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }, 'hold itself'],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'keyword: oneOf'],
    [{ enum: [1, 2], type: 'string' }, 'keyword: enum'],
    [{ allOf: Array.from({ length: 300 }, () => ({ type: 'object' })) }, 'too many parts'],
    [
      {
        oneOf: ['a', 'b'].map((name) => ({ $ref: `#/$defs/${name}` })),
        $defs: { a: selfHolding('a'), b: selfHolding('b') },
      },
      'keyword: oneOf',
    ],
    [{ anyOf: [{ type: 'null' }], type: 'object' }, 'keyword: type'],
    [{ allOf: [{ $ref: '#' }, { type: 'object' }] }, 'itself'],
    [{ allOf: [false] }, 'no value'],
    [{ allOf: [{ minLength: 1, type: 'string' }, { type: 'integer' }] }, 'keyword: type'],
    [{ allOf: [{ properties: { a: {} }, additionalProperties: false }, { properties: { b: {} } }] }, 'of another part'],
    [{ allOf: [{ prefixItems: [{}] }, { items: {} }] }, 'a tuple'],
    [{ allOf: [{ unevaluatedProperties: false }, { properties: { b: {} } }] }, 'within a part'],
    [{ allOf: [{ pattern: 'a' }, { pattern: 'b' }] }, 'twice'],
    [{ type: 'object', properties: { a: { allOf: [{ $ref: '#' }, { title: 'x' }] } } }, 'unfolds for ever'],
    [{ type: 'string', pattern: '^a+$', format: 'date' }, 'no text fits'],
    [{ type: 'string', pattern: '^a{3}$', maxLength: 2 }, 'no text fits'],
    [{ type: 'string', pattern: '(a|b)*c(a|b){900}', maxLength: 900 }, 'too large'],
    [{ type: 'integer', format: 'date' }, 'keyword: format'],
    [{ type: 'object', minProperties: 2 }, 'keyword: minProperties'],
    [{ type: 'object', properties: {}, minProperties: 1 }, 'hold itself'],
    [{ type: 'object', properties: { a: {} }, propertyNames: { pattern: 'b' } }, 'keyword: propertyNames'],
    [{ type: 'object', propertyNames: { type: 'string', not: {} } }, 'keyword: not'],
  ];
  test.each(refused)('refuses %j', (schema, message) => {
    const text = schema === '' || typeof schema === 'string' ? schema : JSON.stringify(schema);
    expect(() => compileGrammar(text)).toThrow(
      expect.objectContaining({ code: 'grammar_unsupported', message: expect.stringContaining(message) }),
    );
  });
});
