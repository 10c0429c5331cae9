import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  cancelled,
  hasAllResults,
  isEnding,
  isFinal,
  type Job,
  type JobState,
  newJob,
  settled,
  validated,
  withResults,
} from './job.js';

const files = { outputFileId: 'file-out', errorFileId: null };
const errors = [{ code: 'empty_file', message: 'The input file has no lines.' }] as const;
const about = { tenant: '', endpoint: '/v1/embeddings', inputFileId: 'file-in', metadata: null };
const fresh = () => newJob({ id: 'batch_a', ...about, nowMs: 10, windowMs: 100 });
const running = (lines = 2) => validated(fresh(), { lines, errors: [] }, 11);
const path = (job: Job, nowMs: number) => {
  const states: JobState[] = [job.state];
  for (let now = job, next = settled(now, nowMs, files); next !== now; next = settled(now, nowMs, files)) {
    now = next;
    states.push(now.state);
  }
  return states;
};

describe('a batch', () => {
  test('whose lines all have results is finalized, then completed', () => {
    expect(path(running(), 12)).toEqual(['in_progress']);
    const done = withResults(running(), { completed: 1, failed: 1 });
    expect(path(done, 12)).toEqual(['in_progress', 'finalizing', 'completed']);
    expect(settled(settled(done, 12, files), 13, files)).toMatchObject({
      ...files,
      enteredMs: { validating: 10, in_progress: 11, finalizing: 12, completed: 13 },
    });
  });

  test('whose input is wrong has failed, with what is wrong', () => {
    const failed = validated(fresh(), { lines: 0, errors }, 11);
    expect(failed).toMatchObject({ state: 'failed', errors, enteredMs: { failed: 11 } });
    expect(path(failed, 999)).toEqual(['failed']);
  });

  test('whose window ends waits for the lines that run, and has expired', () => {
    const late = settled(running(), 110, files);
    expect([late.state, isEnding(late), isFinal(late)]).toEqual(['in_progress', true, false]);
    expect(settled(late, 111, files)).toBe(late);
    const over = settled(withResults(late, { completed: 1, failed: 1 }), 115, files);
    expect(over).toMatchObject({ state: 'expired', ...files, enteredMs: { expired: 110 } });
    expect(settled(fresh(), 110, files).state).toBe('expired');
  });

  test('that was cancelled waits for the lines that run', () => {
    const ending = cancelled(running(), 20);
    expect(cancelled(ending, 30)).toBe(ending);
    expect(path(ending, 999)).toEqual(['cancelling']);
    expect(path(withResults(ending, { completed: 0, failed: 2 }), 21)).toEqual(['cancelling', 'cancelled']);
    expect(path(cancelled(fresh(), 20), 21)).toEqual(['cancelling', 'cancelled']);
    expect(validated(ending, { lines: 5, errors: [] }, 22)).toBe(ending);
  });

  test.each(['failed', 'finalizing', 'completed', 'expired', 'cancelled'] as const)(
    '%s cannot be cancelled',
    (state) => {
      expect(() => cancelled({ ...running(), state }, 20)).toThrow(expect.objectContaining({ code: 'batch_state' }));
    },
  );

  test('whatever happens to it, goes forward only and ends with a result for every line', () => {
    const step = fc.constantFrom('validate', 'fail', 'cancel', 'result', 'settle');
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(20)), { maxLength: 40 }), (steps) => {
        let nowMs = 10;
        let job = fresh();
        for (const [what, passes] of steps) {
          nowMs += passes;
          const next = after(job, what, nowMs);
          expect(order[next.state]).toBeGreaterThanOrEqual(order[job.state]);
          if (isFinal(job)) expect(next).toBe(job);
          job = next;
        }
        if (isFinal(job) && job.state !== 'failed') expect(hasAllResults(job)).toBe(true);
        expect(job.counts.completed + job.counts.failed).toBeLessThanOrEqual(job.counts.total);
      }),
    );
  });
});

const order: Readonly<Record<JobState, number>> = {
  validating: 0,
  in_progress: 1,
  finalizing: 2,
  cancelling: 2,
  failed: 3,
  completed: 3,
  expired: 3,
  cancelled: 3,
};

function after(job: Job, what: string, nowMs: number): Job {
  switch (what) {
    case 'validate':
      return validated(job, { lines: 2, errors: [] }, nowMs);
    case 'fail':
      return validated(job, { lines: 0, errors }, nowMs);
    case 'cancel':
      return job.state === 'validating' || job.state === 'in_progress' ? cancelled(job, nowMs) : job;
    case 'result':
      return hasAllResults(job) ? job : withResults(job, { completed: 1, failed: 0 });
    default:
      return settled(job, nowMs, files);
  }
}
