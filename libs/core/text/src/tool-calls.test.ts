import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ToolCallParser } from './tool-calls.js';

interface Answer {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
}

function parse(mode: 'forced' | 'tagged', pieces: readonly string[]): Answer {
  const parser = new ToolCallParser(mode);
  const calls: { name: string; arguments: string }[] = [];
  let text = '';
  for (const event of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]) {
    if (event.kind === 'text') text += event.text;
    else if (event.kind === 'call') calls[event.index] = { name: event.name, arguments: '' };
    else (calls[event.index] as { arguments: string }).arguments += event.text;
  }
  expect(parser.callCount).toBe(calls.length);
  return { text, calls };
}

/** Cuts a text at any places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => text.slice(from, places[i] ?? text.length));
}

const calls = fc.array(
  fc.record({ name: fc.stringMatching(/^[a-z_]{1,8}$/), arguments: fc.dictionary(fc.string(), fc.jsonValue()) }),
  { maxLength: 3 },
);
const cuts = fc.array(fc.nat());

describe('ToolCallParser', () => {
  test('a forced call is read however it is cut into tokens', () => {
    fc.assert(
      fc.property(
        calls.filter(({ length }) => length > 0),
        cuts,
        ([call], places) => {
          const answer = parse('forced', pieces(JSON.stringify(call), places));
          expect(answer.text).toBe('');
          expect(answer.calls).toHaveLength(1);
          expect(answer.calls[0]?.name).toBe(call?.name);
          expect(JSON.parse(answer.calls[0]?.arguments ?? '')).toEqual(JSON.parse(JSON.stringify(call?.arguments)));
        },
      ),
    );
  });

  test('tagged calls between texts, the arguments before the name or after it', () => {
    const swapped = fc.tuple(calls, fc.boolean(), cuts);
    fc.assert(
      fc.property(swapped, ([made, isSwapped, places]) => {
        const json = ({ name, arguments: args }: (typeof made)[number]) =>
          JSON.stringify(isSwapped ? { arguments: args, name } : { name, arguments: args }, undefined, 1);
        const text = `Hello <tool${made.map((call) => `<tool_call>\n${json(call)}\n</tool_call>`).join('')} end <`;
        const answer = parse('tagged', pieces(text, places));
        expect(answer.text).toBe('Hello <tool end <');
        expect(answer.calls.map(({ name }) => name)).toEqual(made.map(({ name }) => name));
        for (const [i, call] of answer.calls.entries()) {
          expect(JSON.parse(call.arguments)).toEqual(JSON.parse(JSON.stringify(made[i]?.arguments)));
        }
      }),
    );
  });

  test('a closing mark that comes in pieces ends the call', () => {
    const text = 'a <tool_call>{"name": "f", "arguments": {}}</tool_call> b';
    for (let cut = 1; cut < text.length; cut++) {
      expect(parse('tagged', [text.slice(0, cut), text.slice(cut)]).text).toBe('a  b');
    }
  });

  test('arguments go out before the call is whole', () => {
    const parser = new ToolCallParser('forced');
    expect(parser.push('{"name": "look", "arguments": {"a": 1, ')).toEqual([
      { kind: 'call', index: 0, name: 'look' },
      { kind: 'arguments', index: 0, text: ' {"a": 1, ' },
    ]);
  });
});
