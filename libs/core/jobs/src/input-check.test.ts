import { describe, expect, test } from '@jest/globals';
import { InputCheck, inputErrorsMax } from './input-check.js';

const endpoint = '/v1/chat/completions';
const limits = { linesMax: 3, lineBytesMax: 200 };
const good = (customId: string, more: object = {}) => {
  return { custom_id: customId, method: 'POST', url: endpoint, body: { model: 'm' }, ...more };
};
const text = (...lines: (object | string)[]) =>
  lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

function check(input: string | Uint8Array) {
  const reading = new InputCheck(endpoint, limits);
  const content = typeof input === 'string' ? new TextEncoder().encode(input) : input;
  const lines = [...reading.push(content), ...reading.end()];
  return { lines, errors: reading.errors, count: reading.lines };
}

describe('InputCheck', () => {
  test('good lines are numbered from 0, whatever blank lines stand between them', () => {
    const { lines, errors } = check(text(good('a'), '', '  \r', good('b', { body: { model: 'n', stream: false } })));
    expect(errors).toEqual([]);
    expect(lines).toEqual([
      { line: 0, customId: 'a', body: '{"model":"m"}' },
      { line: 1, customId: 'b', body: '{"model":"n","stream":false}' },
    ]);
  });

  test.each([
    ['nothing at all', '', 'empty_file', undefined],
    ['blank lines', '\n \n\n', 'empty_file', undefined],
    ['no JSON', 'hello', 'invalid_json_line', 1],
    ['a list', '[]', 'invalid_json_line', 1],
    ['half a line', '{"custom_id":"a"', 'invalid_json_line', 1],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'invalid_json_line', 1],
    ['a line over the limit', text(good('a'), good('x'.repeat(300))), 'line_too_large', 2],
    ['no custom_id', text({ ...good('a'), custom_id: undefined }), 'invalid_custom_id', 1],
    ['a custom_id that is a number', text({ ...good('a'), custom_id: 7 }), 'invalid_custom_id', 1],
    ['an empty custom_id', text(good('')), 'invalid_custom_id', 1],
    ['a custom_id twice', text(good('a'), '', good('b'), good('a')), 'duplicate_custom_id', 4],
    ['another method', text(good('a', { method: 'GET' })), 'invalid_method', 1],
    ['another url', text(good('a', { url: '/v1/embeddings' })), 'invalid_url', 1],
    ['no body', text(good('a', { body: undefined })), 'invalid_body', 1],
    ['a body that is a list', text(good('a', { body: [] })), 'invalid_body', 1],
    ['a stream', text(good('a', { body: { stream: true } })), 'stream_unsupported', 1],
    ['a line too many', text(good('a'), good('b'), good('c'), good('d')), 'too_many_lines', 4],
  ] as const)('%s', (_, input, code, line) => {
    const { errors } = check(input);
    expect(errors.map((error) => [error.code, error.line])).toEqual([[code, line]]);
    expect(errors[0]?.message).toMatch(/^\w.*\.$/);
  });

  test('an error of a line does not hide those of others', () => {
    const { errors, count } = check(text('x', good('a'), good('b', { method: 'PUT' }), good('a')));
    expect(errors.map(({ line }) => line)).toEqual([1, 3, 4]);
    expect(count).toBe(1);
  });

  test('an input with very many errors is read no further', () => {
    const reading = new InputCheck(endpoint, limits);
    reading.push(new TextEncoder().encode('x\n'.repeat(inputErrorsMax + 50)));
    expect(reading.isHopeless).toBe(true);
    expect(reading.errors).toHaveLength(inputErrorsMax);
  });
});
