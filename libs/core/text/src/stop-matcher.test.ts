import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StopMatcher } from './stop-matcher.js';

/** Reads the text letter by letter; a stop string ends it as soon as it is whole. */
function slowly(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const whole = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop));
    if (whole.length > 0) return text.slice(0, end - Math.max(...whole.map((stop) => stop.length)));
  }
  return text;
}

function streamed(pieces: readonly string[], stops: readonly string[]): string {
  const matcher = new StopMatcher(stops);
  let text = '';
  for (const piece of pieces) {
    const match = matcher.push(piece);
    text += match.text;
    if (match.stopped) return text;
  }
  return text + matcher.end();
}

describe('StopMatcher', () => {
  test('a stop string over three tokens ends the text before it', () => {
    expect(streamed(['one E', 'N', 'D two'], ['END'])).toBe('one ');
  });

  test('what only began like a stop string is part of the text', () => {
    expect(streamed(['one EN', 'ough'], ['END'])).toBe('one ENough');
    expect(streamed(['one EN'], ['END'])).toBe('one EN');
  });

  test('only what may still become a stop string is held back', () => {
    const matcher = new StopMatcher(['xyz']);
    expect(matcher.push('abcx').text).toBe('abc');
    expect(matcher.push('y').text).toBe('');
    expect(matcher.push('a').text).toBe('xya');
  });

  test('equals the slow version however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(letters), fc.array(letters, { maxLength: 3 }), (pieces, stops) => {
        expect(streamed(pieces, stops)).toBe(slowly(pieces.join(''), stops));
      }),
    );
  });
});
