import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { RunningSystem } from './running-system.js';
import { choicesOf, eventsOf } from './streamed.js';

const model = 'tercet-tiny';
const textOf = ({ text }: { text: string }) => text;
const complete = (more: object = {}) => ({ model, prompt: 'What', temperature: 0, max_tokens: 16, ...more });

jest.setTimeout(60_000);

let system: RunningSystem;
beforeAll(async () => {
  system = await RunningSystem.start();
}, 90_000);
afterAll(() => system[Symbol.asyncDispose](), 60_000);

describe('completions', () => {
  test('streamed log probabilities are those of the whole answer, their offsets those in its text', async () => {
    const body = complete({ prompt: ['What', 'Hello'], logprobs: 3 });
    const whole = (await json(await system.post('/v1/completions', body))).choices;
    const chunks = await eventsOf(await system.post('/v1/completions', { ...body, stream: true }));
    const streamed = choicesOf(chunks, textOf).map(({ logprobs, ...choice }) => ({
      ...choice,
      logprobs: Object.fromEntries(
        ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'].map((field) => [
          field,
          logprobs.flatMap((part: Record<string, unknown[]>) => part[field]),
        ]),
      ),
    }));
    expect(streamed).toEqual(whole.map(({ index: _, ...choice }: { index: number }) => choice));
    const [{ text, logprobs }] = streamed;
    expect(logprobs.tokens.length).toBeGreaterThan(3);
    for (const [i, token] of logprobs.tokens.entries()) {
      expect(text.slice(logprobs.text_offset[i]).startsWith(token)).toBe(true);
    }
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a response is what the test says it is
async function json(response: Response): Promise<any> {
  return response.json();
}
