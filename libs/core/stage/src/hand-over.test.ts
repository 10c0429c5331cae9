import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import {
  context,
  never,
  prefillRequest,
  promptIds,
  StageTrio,
  sampling,
  tilesRequest,
  turnOfEventLoop,
} from './testing.js';

const prompt = promptIds(37);

describe('a prompt through prefill and decode', () => {
  test('the text is the same as when more of it was the prompt', async () => {
    await using trio = new StageTrio();
    const whole = await generate(trio, { tokenIds: prompt, tokens: 9 });
    expect(whole).toHaveLength(9);
    const tail = await generate(trio, { tokenIds: [...prompt, ...whole.slice(0, 4)], generated: 4, tokens: 5 });
    expect(tail).toEqual(whole.slice(4));
    expect(trio.held).toBe(0);
    expect(trio.prefill.counters).toEqual({ requestsDone: 2, tokensDone: 37 + 41 });
    expect(trio.decode.counters).toEqual({ requestsDone: 2, tokensDone: 8 + 4 });
  });

  test('the KV is lent before the first token, and kept until it was read', async () => {
    await using trio = new StageTrio();
    const events = trio.prefill.prefill(prefillRequest(prompt), never);
    const started = await events.next();
    expect(started.value?.event?.$case).toBe('started');
    expect((await events.next()).value?.event?.$case).toBe('firstToken');
    const ending = events.next();
    expect([trio.prefill.leasesOpen, await isSettled(ending)]).toEqual([1, false]);
    await decodeWith(trio, { kvLease: leaseOf(started.value), first: 1 });
    expect(await ending).toEqual({ value: undefined, done: true });
    expect(trio.held).toBe(0);
  });

  test('decode has the rows of layer 0 while prefill computes layer 1 and there is no first token', async () => {
    const held = Promise.withResolvers<void>();
    await using trio = new StageTrio({ prefillPause: () => held.promise });
    const tokenIds = promptIds(20);
    const untouched = trio.decodeRows(0, 20).slice();
    const events = trio.prefill.prefill(prefillRequest(tokenIds), never);
    const kvLease = leaseOf((await events.next()).value);
    const first = events.next();
    const decoding = decodeWith(trio, { kvLease, first: 1, more: { tokenIds } });
    for (let turn = 0; turn < 20; turn++) await turnOfEventLoop();
    expect(trio.decodeRows(0, 20)).not.toEqual(untouched);
    expect(trio.decodeRows(1, 20)).toEqual(untouched);
    expect(await isSettled(first)).toBe(false);
    held.resolve();
    expect((await first).value?.event?.$case).toBe('firstToken');
    expect(await decoding).toHaveLength(3);
    await events.next();
    expect(trio.held).toBe(0);
  });

  test('whoever leaves prefill gives the KV up; decode learns it', async () => {
    await using trio = new StageTrio();
    const events = trio.prefill.prefill(prefillRequest(prompt), never);
    const kvLease = leaseOf((await events.next()).value);
    await events.return(undefined);
    await trio.idle();
    await expect(decodeWith(trio, { kvLease, first: 1 })).rejects.toMatchObject({ code: 'tensor_transfer_failed' });
    expect(trio.held).toBe(0);
  });

  test('a caller that is gone frees both', async () => {
    await using trio = new StageTrio();
    const caller = new AbortController();
    const events = trio.prefill.prefill(prefillRequest(prompt), caller.signal);
    await events.next();
    await events.next();
    const ending = events.next();
    caller.abort(new Error('gone'));
    await expect(ending).rejects.toThrow('gone');
    expect(trio.held).toBe(0);
  });

  test('a prompt whose KV nobody wants lends nothing', async () => {
    await using trio = new StageTrio();
    const seen: unknown[] = [];
    const request = prefillRequest(prompt, { discardKv: true });
    for await (const { event } of trio.prefill.prefill(request, never)) {
      seen.push(event?.$case === 'started' ? event.value.kvLease : event?.$case);
    }
    expect(seen).toEqual([undefined, 'firstToken']);
    expect(trio.held).toBe(0);
  });

  test('a text that ends with its first token takes the KV back', async () => {
    await using plain = new StageTrio();
    const [first = 0] = await generate(plain, { tokenIds: prompt, tokens: 1 });
    await using trio = new StageTrio({ endOfTextTokenIds: [first] });
    const events: wire.PrefillEvent[] = [];
    for await (const event of trio.prefill.prefill(prefillRequest(prompt), never)) events.push(event);
    expect(events.at(-1)?.event).toMatchObject({ $case: 'firstToken', value: { endOfText: true } });
    expect(trio.held).toBe(0);
  });

  test('media tokens are read from their lease, and change the text', async () => {
    await using trio = new StageTrio();
    const texts: number[][] = [];
    for (const [contentKey, ...before] of [['b', 'a'], ['b'], ['a']] as const) {
      const { lease } = await trio.encoded(tilesRequest([...before, contentKey]));
      const span = { start: 3, tokens: 2, contentKey, lease, leaseRow: 2 * before.length };
      texts.push(await generate(trio, { tokenIds: prompt, media: [span], tokens: 6 }));
    }
    const [second, alone, other] = texts;
    expect(alone).toEqual(second);
    expect(other).not.toEqual(second);
    expect(texts).not.toContainEqual(await generate(trio, { tokenIds: prompt, tokens: 6 }));
    expect(trio.held).toBe(0);
  });
});

const strange = [
  { what: 'another model', more: { model: 'other' } },
  { what: 'a request without an id', more: { context: wire.CallContext.create() } },
];

test.each(strange)('PrefillStage refuses $what: stage_protocol', async ({ more }) => {
  await using trio = new StageTrio();
  const call = trio.prefill.prefill(prefillRequest(prompt, more), never).next();
  await expect(call).rejects.toMatchObject({ code: 'stage_protocol' });
});

test.each(strange)('EncodeStage refuses $what: stage_protocol', async ({ more }) => {
  await using trio = new StageTrio();
  const call = trio.encoded({ ...tilesRequest(['a']), ...more });
  await expect(call).rejects.toMatchObject({ code: 'stage_protocol' });
  const texts = wire.EmbedTextRequest.fromPartial({ context, model: 'fake', inputs: [{ ids: [1] }] });
  await expect(trio.encode.embedText({ ...texts, ...more }, never)).rejects.toMatchObject({ code: 'stage_protocol' });
  expect((await trio.encode.embedText(texts, never)).embeddings).toHaveLength(1);
});

describe('DecodeStage refuses', () => {
  test.each([
    { what: 'a start before it was opened', commands: [start(1)], code: 'stage_protocol' },
    { what: 'an empty command', commands: [wire.DecodeCommand.create()], code: 'stage_protocol' },
    { what: 'no command at all', commands: [], code: 'cancelled' },
    { what: 'another model', commands: [open({ model: 'other' })], code: 'stage_protocol' },
    { what: 'a request without an id', commands: [open({ context: undefined })], code: 'stage_protocol' },
    { what: 'no lease', commands: [open({}), start(1)], code: 'invalid_request' },
    { what: 'a KV of other shape', commands: [open({ kvLease: lease({ shape: [1] }) })], code: 'lease_mismatch' },
    {
      what: 'a KV of other type',
      commands: [open({ kvLease: lease({ dtype: wire.DType.DTYPE_F32 }) })],
      code: 'lease_mismatch',
    },
    { what: 'a lease that nobody lent', commands: [open({ kvLease: lease({}) })], code: 'lease_unknown' },
    { what: 'no sampling', commands: [open({ sampling: undefined })], code: 'invalid_request' },
    { what: 'a prompt that never fits', commands: [open({ tokenIds: promptIds(300) })], code: 'prompt_too_long' },
  ])('$what: $code', async ({ commands, code }) => {
    await using trio = new StageTrio();
    const events = trio.decode.decode(each(commands), never);
    await expect(all(events)).rejects.toMatchObject({ code });
    expect(trio.held).toBe(0);
  });

  test('a caller that ends instead of starting', async () => {
    await using trio = new StageTrio();
    const events = trio.prefill.prefill(prefillRequest(prompt), never);
    const kvLease = leaseOf((await events.next()).value);
    await expect(all(trio.decode.decode(each([open({ kvLease })]), never))).rejects.toMatchObject({
      code: 'cancelled',
    });
    await events.return(undefined);
    await trio.idle();
  });
});

interface Text {
  readonly tokenIds: number[];
  readonly media?: wire.MediaSpan[];
  /** Tokens at the end of the prompt that are the text's own. */
  readonly generated?: number;
  readonly tokens: number;
}

/** The text that both stages write, called as the gateway calls them. */
async function generate(trio: StageTrio, { tokenIds, media = [], generated = 0, tokens }: Text): Promise<number[]> {
  const request = prefillRequest(tokenIds, { media, generatedTokens: generated });
  let kvLease: wire.TensorLease | undefined;
  const found: number[] = [];
  let decoding: Promise<number[]> | undefined;
  for await (const { event } of trio.prefill.prefill(request, never)) {
    if (event?.$case === 'started') kvLease = event.value.kvLease;
    if (event?.$case !== 'firstToken') continue;
    const first = event.value.token?.tokenId ?? 0;
    found.push(first);
    const more = { tokenIds, generatedTokens: generated, tokensMax: tokens - 1 };
    decoding = decodeWith(trio, { kvLease, first, more });
  }
  return [...found, ...((await decoding) ?? [])];
}

type Decode = { kvLease: wire.TensorLease | undefined; first: number; more?: Partial<wire.DecodeOpen> };

async function decodeWith(trio: StageTrio, { kvLease, first, more = {} }: Decode): Promise<number[]> {
  const found: number[] = [];
  for await (const { event } of trio.decode.decode(each([open({ kvLease, ...more }), start(first)]), never)) {
    if (event?.$case === 'token') found.push(event.value.tokenId);
  }
  return found;
}

function open(more: Partial<wire.DecodeOpen>): wire.DecodeCommand {
  const value = {
    ...wire.DecodeOpen.create(),
    context,
    model: 'fake',
    tokenIds: prompt,
    sampling,
    tokensMax: 3,
    ...more,
  };
  return { command: { $case: 'open', value } };
}

function start(firstTokenId: number): wire.DecodeCommand {
  return { command: { $case: 'start', value: { firstTokenId } } };
}

/** One as prefill makes it for the prompt, which nobody lent. */
function lease(more: Partial<wire.TensorLease>): wire.TensorLease {
  const shape = [3, 2, prompt.length, 8];
  const layout = { dtype: wire.DType.DTYPE_U8, shape, layoutDigest: 'fake-kv' };
  return wire.TensorLease.fromPartial({ leaseId: 'none', ...layout, ...more } as object);
}

function leaseOf(event: wire.PrefillEvent | undefined): wire.TensorLease | undefined {
  return event?.event?.$case === 'started' ? event.event.value.kvLease : undefined;
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const turns = new Promise((resolve) => setImmediate(resolve, 'waiting'));
  return (await Promise.race([promise, turns])) !== 'waiting';
}
