import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import OpenAI from 'openai';
import { RunningSystem } from './running-system.js';

const bert = fileURLToPath(new URL('../../../models/fixtures/bert.gguf', import.meta.url));
const texts = ['the red cat', 'the red cat.', 'a ship on the sea', 'moon and stars', 'The Red CAT'];

describe('embeddings beside a chat model', () => {
  let system: RunningSystem;
  let client: OpenAI;

  beforeAll(async () => {
    system = await RunningSystem.start(['--model', 'tercet-tiny', bert, '--encode', '2']);
    client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none', maxRetries: 0 });
  }, 90_000);
  afterAll(() => system?.[Symbol.asyncDispose](), 60_000);

  test("OpenAI's client gets unit vectors, as floats and packed, in the order of the texts", async () => {
    const floats = await client.embeddings.create({ model: 'bert', input: texts, encoding_format: 'float' });
    const packed = await client.embeddings.create({ model: 'bert', input: texts });
    expect(floats.data.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    const vectors = floats.data.map(({ embedding }) => embedding);
    for (const vector of vectors) {
      expect(vector).toHaveLength(32);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    }
    expect(packed.data.map(({ embedding }) => embedding.map(Math.fround))).toEqual(
      vectors.map((vector) => vector.map(Math.fround)),
    );
    expect(vectors[4]).toEqual(vectors[0]);
    expect(vectors[1]).not.toEqual(vectors[0]);
    for (const [i, input] of texts.entries()) {
      const alone = await client.embeddings.create({ model: 'bert', input, encoding_format: 'float' });
      expect(alone.data[0]?.embedding).toEqual(vectors[i]);
    }
  });

  test('token ids are taken as they are, and gRPC gives the same vectors', async () => {
    // [CLS] ▁the ▁red ▁cat [SEP]
    const ids = [2, 44, 45, 46, 3];
    const { data, usage } = await client.embeddings.create({ model: 'bert', input: ids, encoding_format: 'float' });
    const [text] = (await client.embeddings.create({ model: 'bert', input: texts[0] ?? '', encoding_format: 'float' }))
      .data;
    expect(data[0]?.embedding).toEqual(text?.embedding);
    expect(usage).toEqual({ prompt_tokens: 5, total_tokens: 5 });
    const channel = GrpcChannel.open(`127.0.0.1:${system.grpcPort}`);
    const { results } = await channel.client(wire.GatewayDefinition).embed({ model: 'bert', inputs: texts });
    channel.close();
    expect(results).toHaveLength(texts.length);
    expect(results[0]?.values.map(Math.fround)).toEqual(text?.embedding.map(Math.fround));
  });

  test.each([
    [{ model: 'bert', input: 'sea '.repeat(70) }, 'prompt_too_long'],
    [{ model: 'bert', input: '' }, 'invalid_request'],
    [{ model: 'bert', input: [] }, 'invalid_request'],
    [{ model: 'bert', input: [96] }, 'invalid_request'],
    [{ model: 'bert', input: 'sea', dimensions: 7 }, 'invalid_request'],
    [{ model: 'bert', input: 'sea', voice: 'loud' }, 'invalid_request'],
    [{ model: 'tercet-tiny', input: 'sea' }, 'feature_unsupported'],
    [{ model: 'none', input: 'sea' }, 'model_not_found'],
  ])('%j is refused as %s', async (body, code) => {
    const response = await system.post('/v1/embeddings', body);
    expect(response.ok).toBe(false);
    expect(((await response.json()) as { error: { code: string } }).error.code).toBe(code);
  });

  test('an embedder does not chat, says what it is, and does not become another stage', async () => {
    const messages = [{ role: 'user' as const, content: 'Hello' }];
    const chat = client.chat.completions.create({ model: 'bert', messages });
    await expect(chat).rejects.toMatchObject({ code: 'feature_unsupported' });
    const model = await client.models.retrieve('bert');
    expect(model).toMatchObject({ id: 'bert', tercet: { kind: 'embedding', dimensions: 32, contextTokensMax: 64 } });
    const embedders = (await system.pods()).filter(({ podId }) => podId.endsWith('-m1'));
    expect(embedders.map(({ role }) => role)).toEqual(['encode', 'encode']);
    const worker = GrpcChannel.open(`unix:${system.folder}/run/encode-0-m1.sock`);
    const change = { role: wire.Role.ROLE_DECODE, expectedEpoch: 1n, drainTimeoutMs: 1000 };
    const refused = await worker
      .client(wire.WorkerDefinition)
      .setRole(change)
      .catch((error: unknown) => error);
    worker.close();
    expect(refused).toBeInstanceOf(TercetError);
    const after = await client.embeddings.create({ model: 'bert', input: 'sea' });
    expect(after.data).toHaveLength(1);
  });
});
