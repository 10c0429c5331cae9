import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { bind, ggml, tensorLayout } from './ffi.js';
import { checkLayout } from './layout-check.js';
import { checkBuild, expectedGgml } from './library.js';

const { libraries } = ggml();

describe('the libraries are refused', () => {
  test.each([
    { what: 'another version', expected: { ...expectedGgml, version: '0.25.2' }, field: 'expectedVersion' },
    { what: 'another commit', expected: { ...expectedGgml, commit: 'ffffff0' }, field: 'expectedCommit' },
  ])('$what: the refusal names it', ({ expected, field }) => {
    const details = expect.objectContaining({ [field]: expect.any(String) });
    expect(refusalOf(() => checkBuild(libraries.base, expected))).toMatchObject({
      code: 'engine_incompatible',
      details,
    });
    expect(() => checkBuild(libraries.base)).not.toThrow();
  });

  test('a symbol that is not there: the refusal names it', () => {
    const wanted = { ggml_free: 'void ggml_free(int64 ctx)', ggml_fly: 'void ggml_fly(int64 ctx)' };
    const details = { missing: 'ggml_fly' };
    expect(refusalOf(() => bind(libraries, wanted))).toMatchObject({ code: 'engine_incompatible', details });
  });

  test.each([
    { field: 'type', named: 'type' },
    { field: 'buffer', named: 'buffer' },
    { field: 'ne', named: 'ne' },
    { field: 'nb', named: 'nb' },
    { field: 'viewSrc', named: 'view_src' },
    { field: 'data', named: 'data' },
    { field: 'bytes', named: 'bytes' },
  ] as const)('$field eight bytes further: the refusal names it', ({ field, named }) => {
    const layout = { ...tensorLayout, [field]: tensorLayout[field] + 8 };
    const details = { layout: expect.stringContaining(named) };
    expect(refusalOf(() => checkLayout(layout))).toMatchObject({ code: 'engine_incompatible', details });
    expect(() => checkLayout()).not.toThrow();
  });
});

function refusalOf(check: () => unknown): unknown {
  try {
    check();
  } catch (error) {
    if (error instanceof TercetError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
