import { describe, expect, test } from '@jest/globals';
import { ChatBody, grammarOf, messagesOf, parseBody, samplingOf, stopsOf } from './chat-request.js';

const user = (content: unknown) => ({ role: 'user', content });
const body = (more: object = {}) => parseBody(ChatBody, { model: 'm', messages: [user('hi')], ...more });

describe('messages', () => {
  test('pictures keep their place in the text, and their order over all messages', () => {
    const image = (url: string) => ({ type: 'image_url', image_url: { url } });
    const { messages, media } = messagesOf(
      body({
        messages: [
          { role: 'system', content: 'be brief', name: 'boss' },
          user([{ type: 'text', text: 'what is' }, image('a'), { type: 'text', text: '?' }]),
          { role: 'assistant', content: 'a cat' },
          user([{ type: 'image_url', image_url: 'b' }]),
        ],
      }),
    );
    expect(media).toEqual([
      { kind: 'url', url: 'a' },
      { kind: 'url', url: 'b' },
    ]);
    expect(messages).toEqual([
      { role: 'system', parts: [{ kind: 'text', text: 'be brief' }], name: 'boss' },
      { role: 'user', parts: [{ kind: 'text', text: 'what is' }, { kind: 'media' }, { kind: 'text', text: '?' }] },
      { role: 'assistant', parts: [{ kind: 'text', text: 'a cat' }] },
      { role: 'user', parts: [{ kind: 'media' }] },
    ]);
  });

  test('calls and their results', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } };
    const { messages } = messagesOf(
      body({
        messages: [
          user('1 + 1?'),
          { role: 'assistant', content: null, tool_calls: [call] },
          { role: 'tool', content: '2', tool_call_id: 'c1' },
        ],
      }),
    );
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        parts: [{ kind: 'text', text: '' }],
        toolCalls: [{ id: 'c1', name: 'add', arguments: '{"a":1}' }],
      },
      { role: 'tool', parts: [{ kind: 'text', text: '2' }], toolCallId: 'c1' },
    ]);
  });
});

describe('sampling', () => {
  test('what is not said is what OpenAI documents, with a seed of its own', () => {
    const { seed, ...rest } = samplingOf(body(), {});
    expect(rest).toEqual({
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      logitBias: {},
      topLogprobs: undefined,
      grammar: '',
      ignoreEos: false,
    });
    expect(samplingOf(body(), {}).seed).not.toBe(seed);
  });

  test('a negative seed is one of 64 bits', () => {
    expect(samplingOf(body({ seed: -1 }), {}).seed).toBe(2n ** 64n - 1n);
  });

  test('biases are by token id', () => {
    expect(samplingOf(body({ logit_bias: { 5: -100, 17: 2.5 } }), {}).logitBias).toEqual({ 5: -100, 17: 2.5 });
  });

  test.each([
    [undefined, []],
    ['x', ['x']],
    [
      ['x', 'y'],
      ['x', 'y'],
    ],
  ])('stop %o', (stop, expected) => {
    expect(stopsOf(body({ stop }))).toEqual(expected);
  });
});

test.each([
  [undefined, ''],
  [{ type: 'text' }, ''],
  [{ type: 'json_object' }, 'json'],
  [{ type: 'json_schema', json_schema: { name: 's', schema: { type: 'null' }, strict: true } }, '{"type":"null"}'],
])('the grammar of %o', (format, grammar) => {
  expect(grammarOf(body({ response_format: format }))).toBe(grammar);
});

describe('a refusal names the field', () => {
  test.each([
    ['messages.0.content', { messages: [user(5)] }],
    ['messages.0.content.1.text', { messages: [user([{ type: 'text', text: 'a' }, { type: 'text' }])] }],
    ['messages.0.content.0.image_url.url', { messages: [user([{ type: 'image_url', image_url: { url: '' } }])] }],
    ['temperature', { temperature: 3 }],
    ['logit_bias.4294967296', { logit_bias: { 4294967296: 1 } }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: { name: 'x' } } }],
  ])('%s', (param, more) => {
    expect(() => body(more)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: expect.objectContaining({ param }) }),
    );
  });
});
