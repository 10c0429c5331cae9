import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { errorTable, isErrorCode, TercetError, toTercetError } from './errors.js';

const rows = Object.entries(errorTable);
const page = join(import.meta.dirname, '../../../docs/errors.md');

describe('error table', () => {
  test('what the pipeline tries again is never the fault of the client', () => {
    const wrong = rows.filter(([, row]) => row.retry === 'replan' && row.http < 500).map(([code]) => code);
    expect(wrong).toEqual([]);
  });

  test('what a client may try again later says so in its status', () => {
    const wrong = rows.filter(([, row]) => row.retry === 'later' && ![429, 500, 502, 503].includes(row.http));
    expect(wrong).toEqual([]);
  });

  test('docs/errors.md is this table', () => {
    const lines = rows.map(([code, r]) => `| \`${code}\` | ${r.message} | ${r.http} | ${r.grpc} | ${r.retry} |`);
    const head = [
      '# Errors',
      '',
      'Every failure carries one of these codes: `error.code` over HTTP, trailing metadata `tercet-code` over gRPC.',
      'Retry: `replan`: the pipeline tries again by itself. `later`: the client may, after `Retry-After`. ' +
        '`never`: no use.',
      '',
      '| code | meaning | HTTP | gRPC | retry |',
      '|---|---|---|---|---|',
    ];
    const expected = [...head, ...lines, ''].join('\n');
    if (process.env.TERCET_UPDATE_GOLDEN === '1') writeFileSync(page, expected);
    expect(readFileSync(page, 'utf8')).toBe(expected);
  });
});

describe('TercetError', () => {
  test('the message has the details, and no undefined ones', () => {
    const error = new TercetError('prompt_too_long', { promptTokens: 9000, contextTokensMax: 8192, model: undefined });
    expect(error.message).toBe('the prompt does not fit into the context (promptTokens: 9000, contextTokensMax: 8192)');
  });

  test('anything thrown becomes one, with its cause', () => {
    const cause = new RangeError('x');
    expect(toTercetError(cause, 'stage_failed')).toMatchObject({ code: 'stage_failed', cause });
    const same = new TercetError('cancelled');
    expect(toTercetError(same)).toBe(same);
  });

  test('a code from the wire is only trusted when the table has it', () => {
    expect([isErrorCode('kv_full'), isErrorCode('toString'), isErrorCode('')]).toEqual([true, false, false]);
  });
});
