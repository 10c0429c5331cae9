import { describe, expect, jest, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { type AdmissionLimits, anonymous, type TenantLimits, unlimited } from '@tercet/tenancy';
import { Admission, type PlaceNeed } from './admission.js';

const never = new AbortController().signal;
const need = (tenant = anonymous, more: Partial<PlaceNeed> = {}): PlaceNeed => ({ tenant, tokens: 10, ...more });

function admissionOf(
  limits: Partial<AdmissionLimits> = {},
  tenants: Readonly<Record<string, Partial<TenantLimits>>> = {},
  { onChange = (_counts: object) => {}, onRefused = (_limit: string) => {} } = {},
): Admission {
  return new Admission({
    limits: { runningMax: 2, waitingMax: 4, agingMs: 1e9, tenantsMax: 8, ...limits },
    waitMsMax: 1000,
    limitsOf: (tenant) => ({ ...unlimited, ...tenants[tenant] }),
    clock: new ManualClock(),
    onChange,
    onRefused,
  });
}

describe('Admission', () => {
  test('one more than may run is refused, until somebody leaves', async () => {
    const admission = admissionOf();
    const first = await admission.enter(need(), never);
    await admission.enter(need(), never);
    await expect(admission.enter(need(), never)).rejects.toMatchObject({
      code: 'overloaded',
      details: { runningMax: 2 },
    });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(admission.running).toBe(1);
    await admission.enter(need(), never);
    expect(admission.running).toBe(2);
  });

  test('tenants wait, and go in by priority, then by share', async () => {
    const admission = admissionOf({ runningMax: 1 }, { vip: { priority: 'high' }, batch: { priority: 'low' } });
    const first = await admission.enter(need('a'), never);
    const order: string[] = [];
    const asked = [need('batch'), need('b', { priority: 'low' }), need('a'), need('a'), need('b'), need('vip')];
    const all = asked.map(async (each) => {
      using place = await admission.enter(each, never);
      place.settle(each.tokens);
      order.push(`${each.tenant} ${each.priority ?? ''}`.trim());
    });
    expect(admission.waiting).toBe(6);
    first.settle(10);
    first[Symbol.dispose]();
    await Promise.all(all);
    expect(order).toEqual(['vip', 'b', 'a', 'a', 'batch', 'b low']);
  });

  test('who waits too long, leaves or asks too late is refused, and holds no place', async () => {
    jest.useFakeTimers();
    try {
      const admission = admissionOf({ runningMax: 1 }, { small: { concurrency: 1 } });
      const place = await admission.enter(need('small'), never);
      const gone = new AbortController();
      const refused = [
        expect(admission.enter(need('a'), never)).rejects.toMatchObject({ code: 'overloaded' }),
        expect(admission.enter(need('small'), never)).rejects.toMatchObject({ code: 'rate_limited' }),
        expect(admission.enter(need('a'), gone.signal)).rejects.toBe('left'),
      ];
      gone.abort('left');
      await expect(admission.enter(need('a'), gone.signal)).rejects.toBe('left');
      jest.advanceTimersByTime(1000);
      await Promise.all(refused);
      expect(admission.waiting).toBe(0);
      place[Symbol.dispose]();
      expect(admission.running).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  test('a place that comes in the turn in which its request gives up goes to the next', async () => {
    const admission = admissionOf({ runningMax: 1 });
    const place = await admission.enter(need('a'), never);
    const gone = new AbortController();
    const late = expect(admission.enter(need('a'), gone.signal)).rejects.toBe('left');
    const next = admission.enter(need('a'), never);
    gone.abort('left');
    place[Symbol.dispose]();
    await late;
    (await next)[Symbol.dispose]();
    expect([admission.running, admission.waiting]).toEqual([0, 0]);
  });

  test('whoever listens hears of every change', async () => {
    const heard: object[] = [];
    const admission = admissionOf({ runningMax: 1 }, {}, { onChange: (counts) => heard.push(counts) });
    const gone = new AbortController();
    const place = await admission.enter(need('a'), never);
    const waits = expect(admission.enter(need('a'), gone.signal)).rejects.toBe('left');
    gone.abort('left');
    await waits;
    place[Symbol.dispose]();
    expect(heard).toEqual([
      { running: 1, waiting: 0 },
      { running: 1, waiting: 1 },
      { running: 1, waiting: 0 },
      { running: 0, waiting: 0 },
    ]);
  });

  test('every refusal is told by the limit that was met', async () => {
    const heard: string[] = [];
    const tenants = { slow: { requestsPerMinute: 1 }, single: { concurrency: 1 } };
    const limits = { runningMax: 3, waitingMax: 0 };
    const admission = admissionOf(limits, tenants, { onRefused: (limit) => heard.push(limit) });
    for (const tenant of ['slow', 'slow', 'single', 'single', 'a', 'b']) {
      await admission.enter(need(tenant), never).catch(() => undefined);
    }
    expect(heard).toEqual(['requestsPerMinute', 'concurrency', 'runningMax']);
  });

  test('rates of a tenant are settled by what its requests took', async () => {
    const admission = admissionOf({ runningMax: 9 }, { a: { tokensPerMinute: 100 } });
    const place = await admission.enter(need('a', { tokens: 90 }), never);
    await expect(admission.enter(need('a', { tokens: 50 }), never)).rejects.toMatchObject({
      code: 'rate_limited',
      details: { tokensPerMinute: 100, retryAfterMs: 24_000 },
    });
    place.settle(30);
    place[Symbol.dispose]();
    expect(admission.tenants()).toEqual([{ tenant: 'a', running: 0, waiting: 0, tokensLeft: 70 }]);
  });

  test('closing refuses who comes and who waits, and waits for who is there', async () => {
    const admission = admissionOf({ runningMax: 1 });
    const last = await admission.enter(need('a'), never);
    const waits = expect(admission.enter(need('a'), never)).rejects.toMatchObject({ code: 'shutting_down' });
    let isClosed = false;
    const closing = admission.close().then(() => {
      isClosed = true;
    });
    await expect(admission.enter(need('a'), never)).rejects.toMatchObject({ code: 'shutting_down' });
    await waits;
    expect([isClosed, admission.isClosed]).toEqual([false, true]);
    last[Symbol.dispose]();
    await closing;
    await admission.close();
  });
});
