import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { EventLog, NewEvent, Subscription, TopicName } from '@tercet/event-log';
import { cancelled, newJob, settled, validated, withResults } from '@tercet/jobs';
import { JobEvents } from './job-events.js';

const about = { tenant: 'a', endpoint: '/v1/embeddings', inputFileId: 'file-in', metadata: null };
const fresh = newJob({ id: 'batch_a', ...about, nowMs: 10, windowMs: 100 });
const running = validated(fresh, { lines: 9, errors: [] }, 11);
const none = { outputFileId: null, errorFileId: null };

/** A log that keeps what it is told, and refuses on demand. */
class KeptLog implements EventLog {
  readonly kept: { topic: TopicName; event: NewEvent }[] = [];
  readonly subscriptions: Subscription[] = [];
  refuses = false;

  async publish(topic: TopicName, event: NewEvent): Promise<void> {
    if (this.refuses) throw new TercetError('event_log_unavailable');
    this.kept.push({ topic, event });
  }

  async subscribe(subscription: Subscription, signal: AbortSignal): Promise<void> {
    if (this.refuses) throw new TercetError('event_log_unavailable');
    this.subscriptions.push(subscription);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function open() {
  const events = new KeptLog();
  const clock = new ManualClock(0);
  const said: string[] = [];
  const note = (event: string) => void said.push(event);
  const job = new JobEvents({ events, clock, log: { info: note, error: note }, listenAgainMs: 1 });
  return { events, clock, said, job };
}

describe('JobEvents', () => {
  test('a job is announced with its tenant, under its id', () => {
    const { events, job } = open();
    job.announce(fresh);
    expect(events.kept).toEqual([
      { topic: 'jobs', event: { key: 'batch_a', body: { $case: 'job', value: { jobId: 'batch_a', tenant: 'a' } } } },
    ]);
  });

  test('progress is told at each change of state, and once a second in between', () => {
    const { events, clock, job } = open();
    const one = withResults(running, { completed: 1, failed: 0 });
    job.progress(running);
    job.progress(one);
    clock.advance(999);
    job.progress(one);
    clock.advance(1);
    job.progress(withResults(one, { completed: 0, failed: 1 }));
    job.progress(cancelled(one, 20));
    const told = events.kept.map(({ topic, event: { body } }) => [topic, 'value' in body && body.value]);
    const counts = (completed: number, failed: number) => {
      return { jobId: 'batch_a', linesTotal: 9, linesCompleted: completed, linesFailed: failed };
    };
    expect(told).toEqual([
      ['results', { ...counts(0, 0), state: 'in_progress' }],
      ['results', { ...counts(1, 1), state: 'in_progress' }],
      ['results', { ...counts(1, 0), state: 'cancelling' }],
    ]);
  });

  test('the end of a job is told by itself, and whether the log has it', async () => {
    const { events, job } = open();
    const done = settled(settled(withResults(running, { completed: 9, failed: 0 }), 12, none), 12, none);
    const { signal } = new AbortController();
    job.progress(done);
    expect(events.kept).toEqual([]);
    events.refuses = true;
    expect(await job.ended([done], signal)).toEqual([]);
    events.refuses = false;
    expect(await job.ended([done], signal)).toEqual(['batch_a']);
    expect(events.kept).toMatchObject([{ topic: 'results', event: { body: { value: { state: 'completed' } } } }]);
  });

  test('whoever listens hears of jobs of others', async () => {
    const { events, job } = open();
    let heard = 0;
    const stop = new AbortController();
    const listening = job.listen(() => heard++, stop.signal);
    const [subscription] = events.subscriptions;
    expect(subscription).toMatchObject({ topics: ['jobs'], from: 'latest' });
    await subscription?.onEvent({} as never, stop.signal);
    expect(heard).toBe(1);
    stop.abort();
    await listening;
  });

  test('whoever began to listen while the log was away hears it once it is back', async () => {
    const { events, job, said } = open();
    events.refuses = true;
    const stop = new AbortController();
    const listening = job.listen(() => undefined, stop.signal);
    while (said.length === 0) await setImmediate();
    events.refuses = false;
    while (events.subscriptions.length === 0) await setImmediate();
    stop.abort();
    await listening;
    expect(said).toEqual(['batches.deaf']);
  });

  test('a log that refuses is noted and hinders nobody', async () => {
    const { events, job, said } = open();
    events.refuses = true;
    job.announce(fresh);
    job.progress(running);
    await setImmediate();
    expect(said).toEqual(['batches.untold', 'batches.untold']);
  });
});
