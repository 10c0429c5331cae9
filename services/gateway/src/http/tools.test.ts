import { describe, expect, test } from '@jest/globals';
import { ToolAnswer, ToolAnswers, toolUseOf } from './tools.js';

const withPlace = { takesTools: true };
const withoutPlace = { takesTools: false };
const parameters = { type: 'object', properties: { a: { type: 'integer' } } };
const tools = ['add', 'sub'].map((name) => ({ type: 'function' as const, function: { name, parameters } }));
const schemaOf = (name: string) => ({
  type: 'object',
  properties: { name: { const: name }, arguments: parameters },
  required: ['name', 'arguments'],
  additionalProperties: false,
});

describe('toolUseOf', () => {
  test('none without tools, and none when none may be called', () => {
    expect(toolUseOf({}, withPlace)).toBeUndefined();
    expect(toolUseOf({ tools, tool_choice: 'none' }, withPlace)).toBeUndefined();
  });

  test('the model decides: no grammar, and it is told where the template says, or in a message', () => {
    expect(toolUseOf({ tools }, withPlace)).toEqual({ mode: 'tagged', grammar: '', tools });
    const told = toolUseOf({ tools, tool_choice: 'auto' }, withoutPlace);
    expect(told).toMatchObject({ mode: 'tagged', grammar: '', instruction: { role: 'system' } });
    expect(JSON.stringify(told?.instruction)).toContain('add');
  });

  test('one must be called: its schema holds the answer', () => {
    const any = toolUseOf({ tools, tool_choice: 'required' }, withPlace);
    expect(any?.mode).toBe('forced');
    expect(JSON.parse(any?.grammar ?? '')).toEqual({ anyOf: [schemaOf('add'), schemaOf('sub')] });
    const named = { type: 'function' as const, function: { name: 'sub' } };
    const one = toolUseOf({ tools, tool_choice: named }, withPlace);
    expect(JSON.parse(one?.grammar ?? '')).toEqual(schemaOf('sub'));
    expect(one?.tools).toHaveLength(1);
  });

  test.each([
    { what: 'required, without tools', tool_choice: 'required' as const },
    { what: 'one that is not there', tools, tool_choice: { type: 'function' as const, function: { name: 'mul' } } },
  ])('$what', ({ what: _, ...body }) => {
    expect(() => toolUseOf(body, withPlace)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});

describe('ToolAnswer', () => {
  const text = '{"name": "add", "arguments": {"a": 1}}';

  test('whole and piece by piece it is the same call', () => {
    const whole = new ToolAnswer('forced').message(text);
    expect(whole).toMatchObject({ role: 'assistant', content: null, tool_calls: [{ type: 'function' }] });
    const answer = new ToolAnswer('forced');
    let name = '';
    let given = '';
    for (const [i, piece] of [...text].entries()) {
      const delta = answer.delta(piece, i === text.length - 1) as Delta | undefined;
      for (const call of delta?.tool_calls ?? []) {
        name += call.function.name ?? '';
        given += call.function.arguments;
      }
    }
    expect(answer.hasCalls).toBe(true);
    const [call] = (whole as { tool_calls: Call[] }).tool_calls;
    expect([name, JSON.parse(given)]).toEqual([call?.function.name, JSON.parse(call?.function.arguments ?? '')]);
  });

  test('what stands around a tag is text', () => {
    const said = `well: <tool_call>${text}</tool_call>`;
    expect(new ToolAnswer('tagged').message(said)).toMatchObject({
      content: 'well: ',
      tool_calls: [{ function: { name: 'add' } }],
    });
    expect(new ToolAnswer('tagged').message('no call')).toEqual({
      role: 'assistant',
      content: 'no call',
      refusal: null,
    });
  });

  test('each choice has its own, and none where no tool may be called', () => {
    const answers = new ToolAnswers('forced');
    expect(answers.of(0)).toBe(answers.of(0));
    expect(answers.of(1)).not.toBe(answers.of(0));
    expect(new ToolAnswers(undefined).of(0)).toBeUndefined();
  });
});

interface Call {
  readonly function: { readonly name?: string; readonly arguments: string };
}

interface Delta {
  readonly tool_calls?: readonly Call[];
}
