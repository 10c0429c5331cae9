import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import OpenAI, { toFile } from 'openai';
import { RunningSystem } from './running-system.js';

const bert = fileURLToPath(new URL('../../../models/fixtures/bert.gguf', import.meta.url));
const model = 'tercet-tiny';
const chatUrl = '/v1/chat/completions';

jest.setTimeout(90_000);

let system: RunningSystem;
let client: OpenAI;
beforeAll(async () => {
  system = await RunningSystem.start(['--model', model, bert]);
  client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none', maxRetries: 0 });
}, 90_000);
afterAll(() => system?.[Symbol.asyncDispose](), 60_000);

interface ResultLine {
  readonly id: string;
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Record<string, never> } | null;
  readonly error: { readonly code: string } | null;
}

const chat = (content: string, more: object = {}) => {
  return { model, temperature: 0, max_tokens: 8, messages: [{ role: 'user' as const, content }], ...more };
};
const lineOf = (customId: string, body: object, more: object = {}) => {
  return { custom_id: customId, method: 'POST', url: chatUrl, body, ...more };
};
const jsonLines = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

async function upload(text: string | Buffer): Promise<string> {
  const { id } = await client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
  return id;
}

async function submit(inputFileId: string, endpoint: '/v1/chat/completions' | '/v1/embeddings' = chatUrl) {
  return client.batches.create({ input_file_id: inputFileId, endpoint, completion_window: '24h' });
}

async function untilOver(id: string): Promise<OpenAI.Batch> {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function linesOf(fileId: string | null | undefined): Promise<ResultLine[]> {
  if (typeof fileId !== 'string') return [];
  const text = await (await client.files.content(fileId)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ResultLine);
}

describe("OpenAI's client", () => {
  test('gets for each line what the same request gets over HTTP', async () => {
    const questions = ['What is this?', 'Count to three.', 'Name a colour.', 'Hello'];
    const batch = await submit(await upload(jsonLines(questions.map((text, i) => lineOf(`q${i}`, chat(text))))));
    expect(batch).toMatchObject({ object: 'batch', status: 'validating', endpoint: chatUrl, errors: null });
    const done = await untilOver(batch.id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 4, failed: 0 } });
    expect(done.error_file_id).toBeNull();
    const lines = await linesOf(done.output_file_id);
    expect(lines.map(({ custom_id }) => custom_id)).toEqual(['q0', 'q1', 'q2', 'q3']);
    for (const [i, text] of questions.entries()) {
      const { choices } = await client.chat.completions.create(chat(text));
      expect(lines[i]?.response).toMatchObject({ status_code: 200, body: { choices: [choices[0]] } });
    }
  });
});
