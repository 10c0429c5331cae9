import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { RunningSystem } from './running-system.js';

const model = 'tercet-tiny';
const http = (more: object = {}) => ({
  model,
  temperature: 0,
  max_tokens: 24,
  messages: [{ role: 'user', content: 'Hello there!' }],
  ...more,
});
const parameters = {
  type: 'object',
  properties: { colour: { enum: ['red', 'blue'] }, count: { type: 'integer', minimum: 0, maximum: 9 } },
  required: ['colour', 'count'],
  additionalProperties: false,
};
const findShape = { name: 'find_shape', description: 'Finds a shape.', parameters: JSON.stringify(parameters) };

jest.setTimeout(60_000);

let system: RunningSystem;
let channel: GrpcChannel;
beforeAll(async () => {
  system = await RunningSystem.start();
  channel = GrpcChannel.open(`127.0.0.1:${system.grpcPort}`);
}, 90_000);
afterAll(async () => {
  channel.close();
  await system[Symbol.asyncDispose]();
}, 60_000);

describe('the gRPC API answers as the HTTP API does', () => {
  test('several choices, each with its own seed', async () => {
    const options = { temperature: 2, seed: 5n, ignoreEos: true };
    const answers = await chat({ choices: 3, options });
    const { choices } = await post(http({ n: 3, temperature: 2, seed: 5, ignore_eos: true }));
    expect(answers.map(({ text }) => text)).toEqual(choices.map((choice: Document) => choice.message.content));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(3);
  });

  test('a bias takes a token always, or never', async () => {
    const [plain] = await chat({ options: { tokensMax: 1 } });
    const tokenId = plain?.tokenIds[0] ?? -1;
    const biased = async (bias: number) =>
      (await chat({ options: { logitBias: { [tokenId]: bias }, tokensMax: 3 } }))[0];
    expect((await biased(100))?.tokenIds).toEqual([tokenId, tokenId, tokenId]);
    expect((await biased(-100))?.tokenIds).not.toContain(tokenId);
  });

  test.each(['required', 'find_shape'])(
    'a tool that must be called (%s) is called by its schema',
    async (toolChoice) => {
      const [answer] = await chat({ tools: [findShape], toolChoice, options: { tokensMax: 400 } });
      expect(answer).toMatchObject({ text: '', calls: [{ id: expect.stringMatching(/^call_/), name: 'find_shape' }] });
      const tool = { type: 'function', function: { ...findShape, parameters } };
      const { choices } = await post(http({ tools: [tool], tool_choice: 'required', max_tokens: 400 }));
      const [call] = choices[0].message.tool_calls;
      expect(JSON.parse(answer?.calls[0]?.arguments ?? '')).toEqual(JSON.parse(call.function.arguments));
    },
  );

  test('a conversation goes on after a call', async () => {
    const called = { id: 'call_1', name: 'find_shape', arguments: '{"colour":"red","count":1}' };
    const messages = [
      ...question.messages,
      { role: 'assistant', parts: [], toolCalls: [called] },
      { role: 'tool', parts: [textPart('found')], toolCallId: 'call_1' },
    ];
    const [answer] = await chat({ messages, tools: [findShape], options: { tokensMax: 8 } });
    const { choices } = await post(
      http({
        max_tokens: 8,
        messages: [
          ...http().messages,
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              { id: 'call_1', type: 'function', function: { name: called.name, arguments: called.arguments } },
            ],
          },
          { role: 'tool', content: 'found', tool_call_id: 'call_1' },
        ],
        tools: [{ type: 'function', function: { ...findShape, parameters } }],
      }),
    );
    expect(answer?.text).toBe(choices[0].message.content);
  });

  test.each([
    { what: 'no choices', more: { choices: 0 } },
    { what: 'too many choices', more: { choices: 17 } },
    { what: 'a tool that is not there', more: { tools: [findShape], toolChoice: 'other' } },
    { what: 'a call without tools', more: { toolChoice: 'required' } },
    { what: 'parameters that are no JSON', more: { tools: [{ ...findShape, parameters: '{' }] } },
    { what: 'parameters that are no schema', more: { tools: [{ ...findShape, parameters: '7' }] } },
    { what: 'a bias out of bounds', more: { options: { logitBias: { 5: 101 } } } },
    {
      what: 'a call that is held by another grammar',
      more: { tools: [findShape], toolChoice: 'required', options: { grammar: 'json' } },
    },
  ])('refuses $what', async ({ more }) => {
    await expect(chat(more)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a document is what the test says it is
type Document = any;
type Request = Parameters<ReturnType<typeof clientOf>['chat']>[0];

const textPart = (value: string) => ({ part: { $case: 'text' as const, value } });
const question = { model, messages: [{ role: 'user', parts: [textPart('Hello there!')] }] };

function clientOf(open: GrpcChannel) {
  return open.client(wire.GatewayDefinition);
}

/** The choices of one call, whole. */
async function chat({ options, ...more }: Request) {
  const answers: { text: string; tokenIds: number[]; calls: wire.ToolCall[] }[] = [];
  const request = { ...question, ...more, options: { temperature: 0, tokensMax: 24, ...options } };
  for await (const { choice, event } of clientOf(channel).chat(request)) {
    answers[choice] ??= { text: '', tokenIds: [], calls: [] };
    const answer = answers[choice];
    if (event?.$case !== 'delta' && event?.$case !== 'finished') continue;
    answer.text += event.value.text;
    if (event.$case === 'delta') answer.tokenIds.push(...event.value.tokens.map(({ tokenId }) => tokenId));
    for (const { index, id, name, arguments: json } of event.value.toolCalls) {
      answer.calls[index] ??= { id, name, arguments: '' };
      answer.calls[index].arguments += json;
    }
  }
  return answers;
}

async function post(body: object): Promise<Document> {
  return (await system.post('/v1/chat/completions', body)).json();
}
