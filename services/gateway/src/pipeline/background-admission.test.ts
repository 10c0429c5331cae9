import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { unlimited } from '@tercet/tenancy';
import { openAdmission, placeIn } from '../testing/open-admission.js';
import { BackgroundAdmission } from './background-admission.js';

describe('BackgroundAdmission', () => {
  test('takes what requests leave, and no more than its share', async () => {
    const requests = openAdmission(4, new ManualClock());
    const background = new BackgroundAdmission(requests, 2);
    expect(background.room).toBe(2);
    const running = await Promise.all([placeIn(requests), placeIn(requests), placeIn(requests)]);
    expect(background.room).toBe(1);
    await placeIn(background);
    await expect(placeIn(background)).rejects.toMatchObject({ code: 'overloaded' });
    for (const place of running) place[Symbol.dispose]();
    expect(background.room).toBe(1);
  });

  test('a request enters as if nothing else were there, and what it crowds is told to make room', async () => {
    const requests = openAdmission(2, new ManualClock());
    const background = new BackgroundAdmission(requests, 2);
    const places = [await placeIn(background), await placeIn(background)];
    let told = 0;
    background.onCrowded(() => {
      told++;
      places.pop()?.[Symbol.dispose]();
    });
    await placeIn(requests);
    await placeIn(requests);
    expect([told, background.room, requests.running]).toEqual([2, 0, 2]);
    await expect(placeIn(requests)).rejects.toMatchObject({ code: 'overloaded' });
  });

  test('a place that is left twice is one place', async () => {
    const background = new BackgroundAdmission(openAdmission(2, new ManualClock()), 2);
    const place = await placeIn(background);
    await placeIn(background);
    place[Symbol.dispose]();
    place[Symbol.dispose]();
    expect(background.room).toBe(1);
  });

  test('what enters is charged to the tokens of its tenant, and leaves half of them to requests', async () => {
    const clock = new ManualClock();
    const requests = openAdmission(8, clock, { ...unlimited, tokensPerMinute: 100, requestsPerMinute: 1 });
    const background = new BackgroundAdmission(requests, 8);
    const line = { tenant: 'a', tokens: 30 };
    const place = await placeIn(background, line);
    await expect(placeIn(background, line)).rejects.toMatchObject({
      code: 'rate_limited',
      details: { tokensPerMinute: 100, retryAfterMs: 6000 },
    });
    await placeIn(background, { ...line, tenant: 'b' });
    await placeIn(requests, { tenant: 'a', tokens: 50 });
    place.settle(10);
    place[Symbol.dispose]();
    expect(requests.tenants()).toMatchObject([{ tenant: 'a', tokensLeft: 40 }, { tenant: 'b' }]);
    clock.advance(24_000);
    await placeIn(background, line);
  });

  test('nothing enters once requests are refused for good', async () => {
    const requests = openAdmission(2, new ManualClock());
    const background = new BackgroundAdmission(requests, 2);
    await requests.close();
    await expect(placeIn(background)).rejects.toMatchObject({ code: 'shutting_down' });
  });
});
