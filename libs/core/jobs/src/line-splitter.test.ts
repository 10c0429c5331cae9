import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter, type SplitLine } from './line-splitter.js';

describe('LineSplitter', () => {
  test('however the bytes are cut into pieces, the lines are those of the whole', () => {
    const line = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\n', ' '));
    const cuts = fc.array(fc.nat(200), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), cuts, (lines, endsInLineFeed, at) => {
        const content = new TextEncoder().encode(lines.join('\n') + (endsInLineFeed ? '\n' : ''));
        const expected = endsInLineFeed || lines.at(-1) === '' ? lines : [...lines];
        if (!endsInLineFeed && expected.at(-1) === '') expected.pop();
        if (lines.length === 0) expected.splice(0, 1, ...(endsInLineFeed ? [''] : []));
        expect(split(content, at, 1000)).toEqual(expected.map((text) => ({ kind: 'line', text })));
      }),
    );
  });

  test('a line that is too long costs itself alone, and no more memory than its limit', () => {
    const content = new TextEncoder().encode(`abcd\n${'x'.repeat(100)}\nabcde\nef`);
    expect(split(content, [3, 50, 70], 4)).toEqual([
      { kind: 'line', text: 'abcd' },
      { kind: 'too large' },
      { kind: 'too large' },
      { kind: 'line', text: 'ef' },
    ]);
  });

  test('bytes that are no text are told apart', () => {
    expect(split(new Uint8Array([0xff, 0x0a, 0x61]), [], 9)).toEqual([
      { kind: 'not utf-8' },
      { kind: 'line', text: 'a' },
    ]);
  });
});

function split(content: Uint8Array, cuts: readonly number[], bytesMax: number): SplitLine[] {
  const splitter = new LineSplitter(bytesMax);
  const edges = [0, ...cuts.map((at) => Math.min(at, content.length)).sort((a, b) => a - b), content.length];
  const pieces = edges.slice(1).map((end, index) => content.subarray(edges[index], end));
  return [...pieces.flatMap((piece) => [...splitter.push(piece)]), ...splitter.end()];
}
