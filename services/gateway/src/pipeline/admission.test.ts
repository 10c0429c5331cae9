import { describe, expect, test } from '@jest/globals';
import { Admission } from './admission.js';

describe('Admission', () => {
  test('one more than may run is refused, until somebody leaves', () => {
    const admission = new Admission(2);
    const first = admission.enter();
    admission.enter();
    expect(() => admission.enter()).toThrow(
      expect.objectContaining({ code: 'overloaded', details: { runningMax: 2 } }),
    );
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(admission.running).toBe(1);
    admission.enter();
    expect(admission.running).toBe(2);
  });

  test('closing refuses who comes, and waits for who is there', async () => {
    const admission = new Admission(2);
    const last = admission.enter();
    let isClosed = false;
    const closing = admission.close().then(() => {
      isClosed = true;
    });
    expect(() => admission.enter()).toThrow(expect.objectContaining({ code: 'shutting_down' }));
    await Promise.resolve();
    expect([isClosed, admission.isClosed]).toEqual([false, true]);
    last[Symbol.dispose]();
    await closing;
    await admission.close();
  });
});
