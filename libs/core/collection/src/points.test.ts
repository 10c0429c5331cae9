import { describe, expect, test } from '@jest/globals';
import { checkPoints } from './points.js';
import { checkSpec } from './spec.js';
import { limits, pointsOf, spec, type TestPoint } from './testing/collections.js';

const good: TestPoint = { id: 'a', vector: [1, 0, 0] };

describe('points', () => {
  test.each<[string, TestPoint[], string]>([
    ['NaN', [{ ...good, vector: [1, Number.NaN, 0] }], 'vector_not_finite'],
    ['infinity', [{ ...good, vector: [1, Number.POSITIVE_INFINITY, 0] }], 'vector_not_finite'],
    ['more than a float32 holds', [{ ...good, vector: [1e39, 0, 0] }], 'vector_not_finite'],
    ['a zero vector', [{ ...good, vector: [0, 0, 0] }], 'vector_zero'],
    ['too few dimensions', [{ ...good, vector: [1, 0] }], 'dimension_mismatch'],
    ['vectors of other lengths', [good, { id: 'b', vector: [1] }], 'dimension_mismatch'],
    ['no points', [], 'invalid_request'],
    ['an id twice', [good, good], 'id_duplicate'],
    ['an empty id', [{ ...good, id: '' }], 'id_invalid'],
    ['an id of a megabyte', [{ ...good, id: 'x'.repeat(1 << 20) }], 'id_invalid'],
    ['a field that is none', [{ ...good, payload: { color: 'red' } }], 'field_unknown'],
    ['a text as a number', [{ ...good, payload: { year: '2020' } }], 'payload_invalid'],
    ['a fraction as an integer', [{ ...good, payload: { year: 1.5 } }], 'payload_invalid'],
    ['a day without its form', [{ ...good, payload: { day: 'yesterday' } }], 'payload_invalid'],
    ['a list of numbers as keywords', [{ ...good, payload: { colour: [1] } }], 'payload_invalid'],
    ['a payload that is too long', [{ ...good, payload: { body: 'é'.repeat(150) } }], 'index_limit_reached'],
  ])('%s is refused', (_, points, code) => {
    expect(() => checkPoints(spec, pointsOf(points), limits)).toThrow(expect.objectContaining({ code }));
  });

  test('more points than one call may have are refused', () => {
    const many = Array.from({ length: 1001 }, (_, i) => ({ ...good, id: `p${i}` }));
    expect(() => checkPoints(spec, pointsOf(many), limits)).toThrow(
      expect.objectContaining({ code: 'index_limit_reached' }),
    );
  });

  test.each(['[]', '"text"', 'null', '{'])('%s is no payload', (payload) => {
    const points = { ...pointsOf([good]), payloads: [payload] };
    expect(() => checkPoints(spec, points, limits)).toThrow(expect.objectContaining({ code: 'payload_invalid' }));
  });

  test('a payload may leave fields out, have null, and hold anything where it is only stored', () => {
    const payload = { colour: ['red', 'blue'], year: null, note: { deep: [1, { x: null }] } };
    expect(() => checkPoints(spec, pointsOf([{ ...good, payload }]), limits)).not.toThrow();
  });

  test('where length means something, a zero vector is a vector', () => {
    const zero = pointsOf([{ ...good, vector: [0, 0, 0] }]);
    expect(() => checkPoints({ ...spec, metric: 'l2' }, zero, limits)).not.toThrow();
  });
});

describe('what a collection can be', () => {
  test.each<[string, object, string]>([
    ['a name with a slash', { name: 'a/b' }, 'invalid_request'],
    ['a name that begins with a sign', { name: '-a' }, 'invalid_request'],
    ['no dimensions', { dimensions: 0 }, 'invalid_request'],
    ['too many dimensions', { dimensions: 65 }, 'index_limit_reached'],
    ['a field twice', { fields: [spec.fields[0], spec.fields[0]] }, 'invalid_request'],
    ['a keyword with a language', { fields: [{ name: 'a', kind: 'keyword', language: 'en' }] }, 'invalid_request'],
    ['a language that nobody knows', { fields: [{ name: 'a', kind: 'text', language: 'xx' }] }, 'invalid_request'],
    ['embedding what is no text', { embedding: { model: 'm', field: 'year' } }, 'invalid_request'],
  ])('%s is refused', (_, more, code) => {
    expect(() => checkSpec({ ...spec, ...more }, limits)).toThrow(expect.objectContaining({ code }));
  });
});
