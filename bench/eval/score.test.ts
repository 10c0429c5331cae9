import { describe, expect, test } from '@jest/globals';
import type { EvalItem } from './items.js';
import { isRight, sharesOf } from './score.js';

const item = (kind: string, answer: string): EvalItem => ({ id: 0, kind, question: '?', answer, images: [] });

describe('an answer', () => {
  test.each([
    { expected: 'Red.', answer: ' Red.\n', right: true },
    { expected: 'Red.', answer: 'Red', right: true },
    { expected: 'Red.', answer: 'red.', right: false },
    { expected: '12.', answer: '123.', right: false },
    { expected: 'Red.', answer: '', right: false },
  ])('"$answer" to "$expected" is right: $right', ({ expected, answer, right }) => {
    expect(isRight(item('color', expected), answer)).toBe(right);
  });
});

test('shares are by kind, digits also by place', () => {
  const answered = [
    { item: item('digits', '12.'), answer: '13.' },
    { item: item('digits', '7.'), answer: '7.' },
    { item: item('color', 'Red.'), answer: 'Blue.' },
  ];
  expect(sharesOf(answered)).toEqual({ digits: 0.5, color: 0, digitEach: 0.6667 });
});
