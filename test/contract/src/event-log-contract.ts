import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import type { EventLog, NewEvent, Observe, Occurrence, StoredEvent, Subscription, TopicName } from '@tercet/event-log';

/** One log, empty at first, and what tests do to it behind its back. */
export interface LogUnderTest extends AsyncDisposable {
  /** Another process's end of the same log. */
  open(observe?: Observe): EventLog | Promise<EventLog>;
  /** Writes bytes that no sealer made. */
  putBytes(topic: TopicName, key: string, bytes: Uint8Array): Promise<void>;
  parkedReasons(): Promise<string[]>;
}

/** What every event log must do: `@tercet/event-log` says it, and whoever reads or writes relies on it. */
export function describeEventLog(name: string, make: () => Promise<LogUnderTest>, timeoutMs: number): void {
  describe(`${name} keeps the contract of an event log`, () => {
    test(
      'records of one key come in their order, sealed, and no record is lost or foreign',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        const sent = Array.from({ length: 200 }, (_, i) => job(`key-${i % 7}`, String(i)));
        await Promise.all(sent.map((event) => log.publish('jobs', event)));
        const heard = new Heard();
        await using _reading = heard.from(log, { group: 'a' });
        await heard.until(sent.length);
        for (const key of new Set(sent.map((event) => event.key))) {
          expect(heard.ids(key)).toEqual(sent.filter((event) => event.key === key).map(idOf));
        }
        expect(heard.events.length).toBe(sent.length);
        const [{ event } = { event: undefined }] = heard.events;
        expect(event).toMatchObject({ version: 1, traceparent: '00-1-2-01', body: { $case: 'job' } });
        const sequences = heard.events.map((stored) => Number(stored.event.sequence)).toSorted((a, b) => a - b);
        expect(sequences).toEqual(sent.map((_, i) => i + 1));
      },
      timeoutMs,
    );

    test(
      'a group goes on where it was, and another group hears everything as well',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await log.publish('jobs', job('k', 'one'));
        const first = new Heard();
        {
          await using _reading = first.from(log, { group: 'a' });
          await first.until(1);
        }
        await log.publish('jobs', job('k', 'two'));
        const again = new Heard();
        const others = new Heard();
        await using _again = again.from(log, { group: 'a' });
        await using _others = others.from(log, { group: 'b' });
        await Promise.all([again.until(1), others.until(2)]);
        await sleep(200);
        expect([again.ids(), others.ids()]).toEqual([['two'], ['one', 'two']]);
      },
      timeoutMs,
    );

    test(
      'a group that begins at the latest hears nothing of what was before',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await log.publish('load', loadReport('pod-a', 1));
        const heard = new Heard();
        await using _reading = heard.from(log, { group: 'a', from: 'latest', topics: ['load'] });
        // Until the group has begun, what is written may be before it.
        for (let unixMs = 2; heard.events.length === 0; unixMs++) {
          await log.publish('load', loadReport('pod-a', unixMs));
          await sleep(50);
        }
        const times = heard.events.map(({ event }) =>
          event.body?.$case === 'load' ? Number(event.body.value.unixMs) : 0,
        );
        expect(Math.min(...times)).toBeGreaterThan(1);
      },
      timeoutMs,
    );

    test(
      'a record comes again until its reader has taken it, before any later one of its key',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await log.publish('jobs', job('k', 'one'));
        await log.publish('jobs', job('k', 'two'));
        let failures = 3;
        const tried: string[] = [];
        const heard = new Heard();
        const onEvent = async (stored: StoredEvent) => {
          tried.push(idOf(stored));
          if (failures-- > 0) throw new TercetError('store_unavailable');
          heard.events.push(stored);
        };
        await using _reading = heard.from(log, { group: 'a', onEvent });
        await heard.until(2);
        expect([tried, heard.ids()]).toEqual([
          ['one', 'one', 'one', 'one', 'two'],
          ['one', 'two'],
        ]);
      },
      timeoutMs,
    );

    test(
      'what a reader had not taken when it left comes to the next one',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await log.publish('jobs', job('k', 'one'));
        const begun = Promise.withResolvers<void>();
        const stuck = new Heard();
        const onEvent = async (_stored: StoredEvent, signal: AbortSignal) => {
          begun.resolve();
          await sleep(60_000, undefined, { signal });
        };
        {
          await using _reading = stuck.from(log, { group: 'a', onEvent });
          await begun.promise;
        }
        const heard = new Heard();
        await using _reading = heard.from(log, { group: 'a' });
        await heard.until(1);
        expect(heard.ids()).toEqual(['one']);
      },
      timeoutMs,
    );

    test(
      'the readers of a group share its records, and the one that stays takes over those of the one that left',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await using other = await fixture.open();
        const heards = [new Heard(), new Heard()] as const;
        await using _stays = heards[0].from(log, { group: 'a', topics: ['load'] });
        const all = () => heards[0].events.length + heards[1].events.length;
        const publish = async (unixMs: number) => {
          await Promise.all(Array.from({ length: 40 }, (_, i) => log.publish('load', loadReport(`pod-${i}`, unixMs))));
        };
        let published = 0;
        {
          await using _leaves = heards[1].from(other, { group: 'a', topics: ['load'] });
          while (heards[1].events.length === 0 || heards[0].events.length === 0) {
            await publish(++published);
            await sleep(200);
          }
          await until(() => all() >= 40 * published);
        }
        const before = heards[0].events.length;
        await publish(++published);
        await until(() => heards[0].events.length >= before + 40);
        const names = [...heards[0].events, ...heards[1].events].map(({ event }) => String(event.sequence));
        expect(new Set(names).size).toBe(40 * published);
      },
      timeoutMs,
    );

    test(
      'what cannot be read is parked and counted, and what follows is heard',
      async () => {
        await using fixture = await make();
        const occurrences: Occurrence[] = [];
        await using log = await fixture.open((occurrence) => occurrences.push(occurrence));
        await fixture.putBytes('roles', 'k', new TextEncoder().encode('not an event'));
        await fixture.putBytes('roles', 'k', sealed({ version: 9, body: undefined }));
        await fixture.putBytes('roles', 'k', sealed({ body: undefined }));
        await log.publish('roles', job('k', 'refused'));
        await log.publish('roles', job('k', 'good'));
        const heard = new Heard();
        const onEvent = async (stored: StoredEvent) => {
          if (idOf(stored) === 'refused') throw new TercetError('event_invalid');
          heard.events.push(stored);
        };
        await using _reading = heard.from(log, { group: 'a', topics: ['roles'], onEvent });
        await heard.until(1);
        const reasons = ['not an event', 'unknown version', 'unknown body', 'refused by its reader'];
        const counted = occurrences.flatMap((it) => (it.kind === 'parked' ? [it.reason] : []));
        expect([heard.ids(), counted, await fixture.parkedReasons()]).toEqual([['good'], reasons, reasons]);
      },
      timeoutMs,
    );

    test(
      'what cannot be read stops the reader of a topic that bears no gap, also when it comes back',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        await log.publish('vectors', job('shard', 'one'));
        await fixture.putBytes('vectors', 'shard', new Uint8Array([255]));
        await log.publish('vectors', job('shard', 'three'));
        for (let turn = 0; turn < 2; turn++) {
          const heard = new Heard();
          const onEvent = async (stored: StoredEvent) => void heard.events.push(stored);
          const reading = log.subscribe({ topics: ['vectors'], group: 'a', from: 'earliest', onEvent }, never);
          await expect(reading).rejects.toMatchObject({ code: 'event_invalid', details: { topic: 'tercet.vectors' } });
          expect(heard.ids()).not.toContain('three');
        }
      },
      timeoutMs,
    );

    test(
      'a record that was written twice is heard once',
      async () => {
        await using fixture = await make();
        const occurrences: Occurrence[] = [];
        await using log = await fixture.open((occurrence) => occurrences.push(occurrence));
        const body = job('k', 'twice').body;
        for (let i = 0; i < 2; i++) await fixture.putBytes('jobs', 'k', sealed({ body }));
        await log.publish('jobs', job('k', 'after'));
        const heard = new Heard();
        await using _reading = heard.from(log, { group: 'a' });
        await heard.until(2);
        expect(heard.ids()).toEqual(['twice', 'after']);
        expect(occurrences).toContainEqual({ kind: 'duplicate', topic: 'jobs', group: 'a' });
      },
      timeoutMs,
    );

    test(
      'a record that is too large is refused, and those beside it are written',
      async () => {
        await using fixture = await make();
        await using log = await fixture.open();
        const large = job('k', 'x'.repeat(300_000));
        const ends = await Promise.allSettled([log.publish('jobs', large), log.publish('jobs', job('k', 'small'))]);
        expect(ends).toMatchObject([{ reason: { code: 'event_invalid' } }, { status: 'fulfilled' }]);
      },
      timeoutMs,
    );

    test(
      'records that were taken are written when the log is closed, and none is taken afterwards',
      async () => {
        await using fixture = await make();
        const log = await fixture.open();
        const published = Array.from({ length: 50 }, (_, i) => log.publish('jobs', job('k', String(i))));
        await log[Symbol.asyncDispose]();
        await Promise.all(published);
        await expect(log.publish('jobs', job('k', 'late'))).rejects.toMatchObject({ code: 'event_log_unavailable' });
      },
      timeoutMs,
    );
  });
}

const never = new AbortController().signal;

/** What a reader heard. */
class Heard {
  readonly events: StoredEvent[] = [];

  /** Reads jobs from the earliest on, unless told otherwise; ends with the scope, and fails where the reading failed. */
  from(log: EventLog, subscription: Partial<Subscription> & { readonly group: string }): AsyncDisposable {
    const stop = new AbortController();
    const onEvent = async (stored: StoredEvent) => void this.events.push(stored);
    const reading = log.subscribe({ topics: ['jobs'], from: 'earliest', onEvent, ...subscription }, stop.signal);
    reading.catch(() => undefined);
    return {
      [Symbol.asyncDispose]: async () => {
        stop.abort();
        await reading;
      },
    };
  }

  ids(key?: string): string[] {
    return this.events.filter((stored) => key === undefined || stored.key === key).map(idOf);
  }

  until(count: number): Promise<void> {
    return until(() => this.events.length >= count);
  }
}

/** The test's own time limit ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

function job(key: string, jobId: string): NewEvent {
  return { key, traceparent: '00-1-2-01', body: { $case: 'job', value: { jobId, tenant: '' } } };
}

function loadReport(podId: string, unixMs: number): NewEvent {
  const value = wire.LoadReport.fromPartial({ podId, unixMs: BigInt(unixMs) });
  return { key: podId, body: { $case: 'load', value } };
}

function idOf(stored: { readonly event: wire.Event } | NewEvent): string {
  const body = 'event' in stored ? stored.event.body : stored.body;
  return body?.$case === 'job' ? body.value.jobId : '';
}

function sealed(parts: wire.DeepPartial<wire.Event>): Uint8Array {
  const event = { version: 1, producerId: `elsewhere/${producer}`, sequence: 7n, ...parts };
  return wire.Event.encode(wire.Event.fromPartial(event)).finish();
}

const producer = randomUUID();
