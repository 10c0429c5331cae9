import { expect, test } from '@jest/globals';
import { Pace } from './pace.js';

test('a round of successes allows one line more, a refusal halves them, and one always runs', () => {
  const pace = new Pace();
  expect(pace.linesMax).toBe(4);
  for (let i = 0; i < 5; i++) pace.succeeded();
  expect(pace.linesMax).toBe(5);
  pace.refused();
  expect(pace.linesMax).toBe(2);
  for (let i = 0; i < 9; i++) pace.refused();
  expect(pace.linesMax).toBe(1);
});
