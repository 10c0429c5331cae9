import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventData } from './event-data.js';

async function read(chunks: readonly Uint8Array[]): Promise<string[]> {
  const found: string[] = [];
  async function* feed() {
    yield* chunks;
  }
  for await (const data of eventData(feed())) found.push(data);
  return found;
}
const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  { name: 'line feeds', text: 'data: a\n\ndata: b\n\n', expected: ['a', 'b'] },
  { name: 'carriage returns too', text: 'data: a\r\n\r\ndata: b\r\n\r\n', expected: ['a', 'b'] },
  { name: 'carriage returns alone', text: 'data: a\r\rdata: b\r\r\n', expected: ['a', 'b'] },
  { name: 'several data lines', text: 'data: a\ndata:\ndata: b\n\n', expected: ['a\n\nb'] },
  { name: 'comments and other fields', text: ': keep alive\n\nevent: x\nid: 1\ndata:a\n\n', expected: ['a'] },
  { name: 'a last event that is cut', text: 'data: a\n\ndata: b', expected: ['a'] },
])('events are read with $name', async ({ text, expected }) => {
  expect(await read([bytes(text)])).toEqual(expected);
});

test('the data is the same wherever the bytes are cut', async () => {
  const texts = fc.array(fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !/[\r\n]/.test(text)));
  const cases = fc.record({ texts, end: fc.constantFrom('\n', '\r\n'), cuts: fc.array(fc.nat(400)) });
  await fc.assert(
    fc.asyncProperty(cases, async ({ texts, end, cuts }) => {
      const whole = bytes(texts.map((text) => `data: ${text}${end}${end}`).join(''));
      const edges = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const chunks = edges.slice(1).map((edge, index) => whole.subarray(edges[index], edge));
      expect(await read(chunks)).toEqual(texts);
    }),
  );
});
