import { describe, expect, test } from '@jest/globals';
import { type LeaseRecord, leaseStep, sighted } from './lease.js';

const durationMs = 6000;
const record = (holder: string, version: string, term = 3): LeaseRecord => ({ holder, durationMs, term, version });

describe('a lease', () => {
  test.each([
    { name: 'that nobody made is made', record: undefined, agoMs: 0, step: { kind: 'create' } },
    {
      name: 'of one’s own is renewed, in its term',
      record: record('me', '1'),
      agoMs: 0,
      step: { kind: 'renew', term: 3 },
    },
    { name: 'that was given up is taken at once', record: record('', '1'), agoMs: 0, step: { kind: 'take', term: 4 } },
    {
      name: 'of another is waited for',
      record: record('you', '1'),
      agoMs: 5999,
      step: { kind: 'wait', holder: 'you' },
    },
    {
      name: 'that stood still is taken, in a new term',
      record: record('you', '1'),
      agoMs: 6000,
      step: { kind: 'take', term: 4 },
    },
  ])('$name', ({ record: seen, agoMs, step }) => {
    const sighting = seen && sighted(undefined, seen, 1000);
    expect(leaseStep('me', sighting, 1000 + agoMs)).toEqual(step);
  });

  test('is kept by a holder that renews it, however far the clocks of the two are apart', () => {
    const skewMs = 3_600_000;
    let sighting = sighted(undefined, record('you', '0'), skewMs);
    for (let renewal = 1; renewal <= 20; renewal++) {
      const nowMs = skewMs + renewal * (durationMs - 1);
      sighting = sighted(sighting, record('you', String(renewal)), nowMs);
      expect(leaseStep('me', sighting, nowMs).kind).toBe('wait');
    }
  });

  test('that is only looked at again does not become younger', () => {
    const first = sighted(undefined, record('you', '1'), 0);
    const later = sighted(first, record('you', '1'), durationMs);
    expect(leaseStep('me', later, durationMs).kind).toBe('take');
  });
});
