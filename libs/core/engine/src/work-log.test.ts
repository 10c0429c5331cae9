import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type StepWork, WorkLog, type WorkSample, workSamplesMax } from './work-log.js';

const anyWork: fc.Arbitrary<StepWork> = fc.oneof(
  fc.record({ stage: fc.constant('encode' as const), patches: fc.nat() }),
  fc.record({ stage: fc.constant('prefill' as const), tokens: fc.nat(), squares: fc.nat() }),
  fc.record({ stage: fc.constant('decode' as const), batch: fc.nat(), contextTokens: fc.nat() }),
);

describe('WorkLog', () => {
  test('a reader gets every step once, in order, and of many the latest; another reader has its own place', () => {
    const readings = fc.array(fc.array(anyWork, { maxLength: 200, size: 'max' }), { maxLength: 5 });
    fc.assert(
      fc.property(readings, (batches) => {
        const log = new WorkLog();
        const other = new WorkLog(log.buffer);
        const all: WorkSample[] = [];
        let place = log.count;
        for (const works of batches) {
          for (const work of works) {
            all.push({ ...work, ms: all.length });
            log.add(work, all.length - 1);
          }
          const { samples, next } = other.since(place);
          place = next;
          expect(samples).toEqual(works.length === 0 ? [] : all.slice(-works.length).slice(-workSamplesMax));
        }
        expect(log.since(0).samples).toEqual(all.slice(-workSamplesMax));
      }),
    );
  });

  test('the count may wrap', () => {
    const log = new WorkLog();
    new Uint32Array(log.buffer)[0] = 0xffff_fffe;
    const place = log.count;
    for (let batch = 1; batch <= 4; batch++) log.add({ stage: 'decode', batch, contextTokens: 9 }, 1);
    const { samples, next } = log.since(place);
    expect(samples).toMatchObject([{ batch: 1 }, { batch: 2 }, { batch: 3 }, { batch: 4 }]);
    expect(next).toBe(2);
    expect(log.since(next).samples).toEqual([]);
  });
});
