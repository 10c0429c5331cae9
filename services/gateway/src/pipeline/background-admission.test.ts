import { describe, expect, test } from '@jest/globals';
import { Admission } from './admission.js';
import { BackgroundAdmission } from './background-admission.js';

describe('BackgroundAdmission', () => {
  test('takes what requests leave, and no more than its share', () => {
    const requests = new Admission(4);
    const background = new BackgroundAdmission(requests, 2);
    expect(background.room).toBe(2);
    const running = [requests.enter(), requests.enter(), requests.enter()];
    expect(background.room).toBe(1);
    background.enter();
    expect(() => background.enter()).toThrow(expect.objectContaining({ code: 'overloaded' }));
    for (const place of running) place[Symbol.dispose]();
    expect(background.room).toBe(1);
  });

  test('a request enters as if nothing else were there, and what it crowds is told to make room', () => {
    const requests = new Admission(2);
    const background = new BackgroundAdmission(requests, 2);
    const places = [background.enter(), background.enter()];
    let told = 0;
    background.onCrowded(() => {
      told++;
      places.pop()?.[Symbol.dispose]();
    });
    requests.enter();
    requests.enter();
    expect([told, background.room, requests.running]).toEqual([2, 0, 2]);
    expect(() => requests.enter()).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });

  test('a place that is left twice is one place', () => {
    const background = new BackgroundAdmission(new Admission(2), 2);
    const place = background.enter();
    background.enter();
    place[Symbol.dispose]();
    place[Symbol.dispose]();
    expect(background.room).toBe(1);
  });

  test('nothing enters once requests are refused for good', async () => {
    const requests = new Admission(2);
    const background = new BackgroundAdmission(requests, 2);
    await requests.close();
    expect(() => background.enter()).toThrow(expect.objectContaining({ code: 'shutting_down' }));
  });
});
