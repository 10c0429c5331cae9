import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { NewEvent } from './event-log.js';
import { FactWriter } from './fact-writer.js';
import type { Occurrence } from './occurrence.js';
import { type Outgoing, Publisher } from './publisher.js';

const limits = { recordsMax: 4, bytesMax: 10_000, waitMs: 1000 };
const job = (key: string): NewEvent => ({ key, body: { $case: 'job', value: { jobId: key, tenant: '' } } });

/** A log whose next writes end as it is told; a pause takes as long on the clock as it says. */
class ScriptedLog {
  readonly clock = new ManualClock();
  readonly written: string[] = [];
  readonly occurrences: Occurrence[] = [];
  failures: TercetError[] = [];
  gate: Promise<void> = Promise.resolve();
  readonly publisher = new Publisher({
    producerId: 'p',
    clock: this.clock,
    limits,
    observe: (occurrence) => this.occurrences.push(occurrence),
    sleep: async (ms) => this.clock.advance(ms),
    send: (records) => this.#send(records),
  });

  async #send(records: readonly Outgoing[]): Promise<void> {
    await this.gate;
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.written.push(...records.map(({ key }) => key));
  }
}

const away = () => new TercetError('event_log_unavailable');

describe('Publisher', () => {
  test('records that follow one another are all written', async () => {
    const log = new ScriptedLog();
    for (const key of ['a', 'b', 'c']) await log.publisher.publish('jobs', job(key));
    expect(log.written).toEqual(['a', 'b', 'c']);
  });

  test('what failed is written again before what came later', async () => {
    const log = new ScriptedLog();
    log.failures = [away(), away()];
    await Promise.all(['a', 'b', 'c'].map((key) => log.publisher.publish('jobs', job(key))));
    expect(log.written).toEqual(['a', 'b', 'c']);
    expect(log.occurrences.filter(({ kind }) => kind === 'failed').length).toBe(2);
  });

  test('while the log hangs, reports make room for newer ones, and a job that finds none is refused', async () => {
    const log = new ScriptedLog();
    const opened = Promise.withResolvers<void>();
    log.gate = opened.promise;
    const kinds = ['jobs', 'load', 'load', 'jobs', 'jobs', 'jobs', 'jobs'] as const;
    const ends = kinds.map((topic, i) => log.publisher.publish(topic, job(String(i))));
    for (const end of ends) end.catch(() => undefined);
    opened.resolve();
    const states = (await Promise.allSettled(ends)).map(({ status }) => status);
    expect(states).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(log.written).toEqual(['0', '3', '4', '5']);
    expect(log.occurrences.filter(({ kind }) => kind === 'dropped').length).toBe(2);
    expect(log.occurrences.filter(({ kind }) => kind === 'refused').length).toBe(1);
  });

  test('a record waits for a log that is away so long and no longer', async () => {
    const log = new ScriptedLog();
    log.failures = Array.from({ length: 10 }, away);
    await expect(log.publisher.publish('jobs', job('a'))).rejects.toMatchObject({ code: 'event_log_unavailable' });
    expect(log.clock.nowMs()).toBeGreaterThanOrEqual(limits.waitMs);
    log.failures = [];
    await log.publisher.publish('jobs', job('b'));
    expect(log.written).toEqual(['b']);
  });

  test('what will not be better the next time is not tried again', async () => {
    const log = new ScriptedLog();
    log.failures = [new TercetError('event_log_refused')];
    await expect(log.publisher.publish('jobs', job('a'))).rejects.toMatchObject({ code: 'event_log_refused' });
    await log.publisher.publish('jobs', job('b'));
    expect(log.written).toEqual(['b']);
  });

  test('closing gives up on a log that is away once the patience is over', async () => {
    const log = new ScriptedLog();
    log.failures = Array.from({ length: 3 }, away);
    const end = log.publisher.publish('jobs', job('a'));
    end.catch(() => undefined);
    await log.publisher.close(AbortSignal.abort());
    await expect(end).rejects.toMatchObject({ code: 'event_log_unavailable' });
    await expect(log.publisher.publish('jobs', job('b'))).rejects.toThrow('closed');
  });
});

test('whoever writes facts hears when they are refused and when they are taken again, once each', async () => {
  const log = new ScriptedLog();
  log.failures = [new TercetError('event_log_refused'), new TercetError('event_log_refused')];
  const heard: (string | undefined)[] = [];
  const { publisher } = log;
  const port = {
    publish: publisher.publish.bind(publisher),
    subscribe: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const facts = new FactWriter(port, (failure) => heard.push(failure?.code));
  for (let i = 0; i < 4; i++) {
    facts.write('load', job(String(i)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(heard).toEqual(['event_log_refused', undefined]);
});
