import { describe, expect, test } from '@jest/globals';
import { ChatBody, messagesOf, parseBody } from './chat-request.js';
import { CompletionBody } from './completions.js';
import { EmbeddingsBody } from './embeddings.js';
import { internalFields, refuseInternalFields } from './internal-fields.js';
import { ResponsesBody } from './responses.js';

const user = { role: 'user', content: 'hi' };
const routes = [
  { route: 'chat', schema: ChatBody, good: { model: 'm', messages: [user] } },
  { route: 'completions', schema: CompletionBody, good: { model: 'm', prompt: 'hi' } },
  { route: 'responses', schema: ResponsesBody, good: { model: 'm', input: 'hi' } },
  { route: 'embeddings', schema: EmbeddingsBody, good: { model: 'm', input: 'hi' } },
] as const;
const values = [1, 'x', { remote_host: 'h', remote_port: 1 }, null, []];

describe.each(routes)('$route', ({ schema, good }) => {
  test('a body without internal fields is taken', () => {
    expect(() => refuseInternalFields(good)).not.toThrow();
    expect(parseBody(schema, good)).toMatchObject(good);
  });

  test.each(internalFields.map((field) => ({ field })))('$field is refused, whatever it is', ({ field }) => {
    for (const value of values) {
      const body = { ...good, [field]: value };
      const error = expect.objectContaining({ code: 'invalid_request', details: expect.anything() });
      expect(() => refuseInternalFields(body)).toThrow(error);
      // The schema alone would not take it either.
      expect(() => parseBody(schema, body)).toThrow(error);
    }
  });
});

test.each([{ field: 'BOOTSTRAP_HOST' }, { field: 'bootstrap_anything' }, { field: 'Kv_Transfer_Params' }])(
  '$field is refused, however it is written',
  ({ field }) => {
    expect(() => refuseInternalFields({ [field]: 1 })).toThrow(
      expect.objectContaining({ details: { param: field, reason: 'only the system sets this' } }),
    );
  },
);

const text = { type: 'text', text: 'hi' };
const image = { url: 'https://example.com/a.png' };
const kv = { kv_transfer_params: { remote_engine_id: 'x' } };

test.each([
  { place: 'a message', messages: [{ ...user, ...kv }] },
  { place: 'a part', messages: [{ role: 'user', content: [{ ...text, ...kv }] }] },
  { place: 'an image', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { ...image, ...kv } }] }] },
])('in $place they are refused as well', ({ messages }) => {
  expect(() => parseBody(ChatBody, { model: 'm', messages })).toThrow(
    expect.objectContaining({ code: 'invalid_request' }),
  );
});

test('in a tool call of an earlier answer they are left out', () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}', ...kv }, ...kv };
  const messages = [user, { role: 'assistant', tool_calls: [call] }, { role: 'tool', content: '1', tool_call_id: 'c' }];
  const told = messagesOf(parseBody(ChatBody, { model: 'm', messages }));
  expect(JSON.stringify(told)).not.toContain('kv_transfer_params');
  expect(told.messages[1]).toMatchObject({ toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }] });
});
