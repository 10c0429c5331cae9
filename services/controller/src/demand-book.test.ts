import { describe, expect, test } from '@jest/globals';
import { DemandBook } from './demand-book.js';

class Time {
  ms = 1_000_000;
  nowMs = () => this.ms;
  unixMs = () => this.ms;
}

const of = (idleMs: number, { running = 0, held = 0, model = 'm' } = {}) => ({ model, running, held, idleMs });

describe('what gateways have to do', () => {
  test('is unknown while none is heard', () => {
    const time = new Time();
    const book = new DemandBook(time);
    expect(book.of('m')).toBeUndefined();
    book.report({ gatewayId: 'a', demand: [of(0)] });
    time.ms += 10_001;
    expect(book.of('m')).toBeUndefined();
  });

  test('is the sum of all of them, and as long ago as the latest request of any', () => {
    const time = new Time();
    const book = new DemandBook(time);
    time.ms += 100_000;
    book.report({ gatewayId: 'a', demand: [of(50_000, { running: 2 }), of(0, { model: 'other', held: 9 })] });
    book.report({ gatewayId: 'b', demand: [of(4_000, { held: 3 })] });
    time.ms += 1000;
    expect(book.of('m')).toEqual({ running: 2, held: 3, idleMs: 5_000 });
  });

  test('does not go back to an earlier request when the gateway that had the last one is gone', () => {
    const time = new Time();
    const book = new DemandBook(time);
    time.ms += 100_000;
    book.report({ gatewayId: 'a', demand: [of(0)] });
    for (let i = 0; i < 20; i++) {
      time.ms += 1000;
      book.report({ gatewayId: 'b', demand: [of(90_000)] });
    }
    expect(book.of('m')).toEqual({ running: 0, held: 0, idleMs: 20_000 });
  });

  test('is counted from the beginning of this process where nothing else is known', () => {
    const time = new Time();
    const book = new DemandBook(time);
    time.ms += 7_000;
    book.report({ gatewayId: 'a', demand: [of(900_000)] });
    expect(book.of('m')?.idleMs).toBe(7_000);
  });

  test('is refused where it makes no sense, and beyond the gateways that there can be', () => {
    const book = new DemandBook(new Time());
    expect(() => book.report({ gatewayId: 'a', demand: [of(Number.NaN)] })).toThrow('not valid');
    for (let i = 0; i < 256; i++) book.report({ gatewayId: `${i}`, demand: [] });
    expect(() => book.report({ gatewayId: 'one more', demand: [] })).toThrow('gatewaysMax');
    book.report({ gatewayId: '7', demand: [] });
  });
});
