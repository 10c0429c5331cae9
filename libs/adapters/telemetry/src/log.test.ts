import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { openLog } from './log.js';

function written(failure: unknown): { failure: unknown } {
  const lines: string[] = [];
  openLog({ service: 'x' }, (line) => lines.push(line)).info('request.failed', { failure });
  return JSON.parse(lines[0] as string);
}

describe('a failure in a log', () => {
  test("that is the client's is its code and nothing that the client may have written", () => {
    const cause = new Error('words of a schema');
    const failure = new TercetError('grammar_unsupported', { at: '/properties/words of a schema' }, { cause });
    expect(written(failure).failure).toEqual({ code: 'grammar_unsupported' });
  });

  test('that is ours says all that helps', () => {
    const failure = new TercetError('stage_failed', { podId: 'decode-0' }, { cause: new Error('no memory') });
    expect(written(failure).failure).toEqual({
      code: 'stage_failed',
      message: 'a stage failed (podId: decode-0)',
      cause: 'no memory',
    });
  });
});
