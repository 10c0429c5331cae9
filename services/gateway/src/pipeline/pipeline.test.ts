import { crc32, deflateSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import { type Fault, MemorySystem, testModel } from '../testing/memory-system.js';
import { byCache } from './choose.js';
import type { AnswerEvent, GenerationRequest } from './request.js';
import type { RouteCounts } from './route-reports.js';

const model = testModel();
const sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: {},
  seed: 1n,
  topLogprobs: undefined,
  grammar: '',
  ignoreEos: false,
};

function requestOf(more: Partial<GenerationRequest> = {}): GenerationRequest {
  const parts = [{ kind: 'media' as const }, { kind: 'text' as const, text: 'What is it?' }];
  return {
    requestId: 'r',
    tenant: '',
    traceparent: '',
    model,
    prompt: { kind: 'chat', messages: [{ role: 'user', parts }] },
    media: [{ kind: 'bytes', bytes: picture() }],
    sampling,
    tokensMax: 12,
    stop: [],
    ...more,
  };
}

const tokensOf = (events: readonly AnswerEvent[]) =>
  events.flatMap((event) => (event.kind === 'token' ? [event.token.tokenId] : []));
const finishedOf = (events: readonly AnswerEvent[]) => {
  const last = events.at(-1);
  if (last?.kind !== 'finished') throw new Error('no end');
  return last;
};
function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error as TercetError).code,
  );
}

describe('Pipeline', () => {
  test('each tensor is made for the pod that will read it', async () => {
    await using system = new MemorySystem();
    await system.run(requestOf());
    const readers = system.messages.flatMap((message) => ('reader' in message ? [message.reader] : []));
    expect(readers).toEqual(['prefill-0', 'decode-0']);
    await system.run(requestOf({ tokensMax: 1 }));
    expect(system.messages.at(-1)).toMatchObject({ discardKv: true, reader: '' });
  });

  test('a tenant finds what it sent before, and nothing that another sent', async () => {
    await using system = new MemorySystem();
    const cached: number[] = [];
    for (const tenant of ['a', 'b', '', 'a']) {
      const { usage } = finishedOf(await system.run(requestOf({ tenant })));
      cached.push(usage.cachedTokens);
    }
    expect(cached.slice(0, 3)).toEqual([0, 0, 0]);
    expect(cached[3]).toBeGreaterThan(0);
    const tenants = system.messages.flatMap(
      (message) => JSON.stringify(message, bigintAsText).match(/"tenant":"\w*"/g) ?? [],
    );
    expect(new Set(tenants)).toEqual(new Set(['"tenant":"a"', '"tenant":"b"', '"tenant":""']));
    // Encode, prefill and decode of each request.
    expect(tenants).toHaveLength(12);
  });

  test('the trace of one request with an image', async () => {
    await using system = new MemorySystem();
    const events = await system.run(requestOf());
    expect(system.calls).toEqual(['encode-0 encodeTiles', 'prefill-0 prefill', 'decode-0 decode']);
    expect(events.map(({ kind }) => kind)).toEqual(['accepted', ...Array(12).fill('token'), 'finished']);
    expect(finishedOf(events)).toMatchObject({
      reason: 'length',
      usage: { promptTokens: 23, completionTokens: 12, cachedTokens: 0, mediaTokens: 2 },
      timeline: { attempts: 1, pods: { encode: ['encode-0'], prefill: 'prefill-0', decode: 'decode-0' } },
    });
    expect(system.isEmpty()).toBe(true);
  });

  test('whatever dies, and whenever, the client reads the undisturbed text, and nothing stays held', async () => {
    await using undisturbed = new MemorySystem();
    const expected = tokensOf(await undisturbed.run(requestOf()));
    const error = fc.constantFrom<Fault['error']>(
      'end',
      ...(['pod_unreachable', 'stage_failed', 'draining', 'tensor_corrupt', 'lease_expired'] as const).map(
        (code) => new TercetError(code),
      ),
    );
    const podId = fc.constantFrom('encode-0', 'prefill-0', 'decode-0', 'decode-1');
    const fault = fc.record({ podId, afterEvents: fc.nat({ max: 16 }), error });
    const property = fc.asyncProperty(fc.array(fault, { maxLength: 2 }), async (faults) => {
      await using system = new MemorySystem({ roles: [...pods, 'prefill-1', 'decode-2'] });
      system.faults = [...faults];
      const events = await system.run(requestOf());
      expect(tokensOf(events)).toEqual(expected);
      expect(events.filter(({ kind }) => kind === 'finished')).toHaveLength(1);
      await settled();
      expect(system.isEmpty()).toBe(true);
    });
    await fc.assert(property, { numRuns: 60 });
  });
  const pods = ['encode-0', 'encode-1', 'prefill-0', 'decode-0', 'decode-1'];

  test('a client that leaves at any event frees everything', async () => {
    for (let leaveAt = 0; leaveAt < 13; leaveAt++) {
      await using system = new MemorySystem();
      let seen = 0;
      for await (const _event of system.pipeline.run(requestOf(), new AbortController().signal)) {
        if (seen++ === leaveAt) break;
      }
      await settled();
      expect({ leaveAt, empty: system.isEmpty() }).toEqual({ leaveAt, empty: true });
    }
  });

  test('an abort in the middle ends with cancelled', async () => {
    await using system = new MemorySystem();
    const abort = new AbortController();
    const run = system.pipeline.run(requestOf(), abort.signal);
    await run.next();
    await run.next();
    abort.abort(new TercetError('cancelled'));
    expect(await codeOf(run.next().then(() => run.next()))).toBe('cancelled');
    await settled();
    expect(system.isEmpty()).toBe(true);
  });

  test('one token needs no decode pod', async () => {
    await using system = new MemorySystem({ roles: ['encode-0', 'prefill-0'] });
    const events = await system.run(requestOf({ tokensMax: 1 }));
    expect(tokensOf(events)).toHaveLength(1);
    expect(finishedOf(events)).toMatchObject({ reason: 'length', timeline: { pods: { decode: '' } } });
  });

  test('a stop string ends the answer before it, and is not sent', async () => {
    await using system = new MemorySystem();
    const whole = textOf(await system.run(requestOf({ tokensMax: 20 })));
    const stop = whole.slice(4, 7);
    const events = await system.run(requestOf({ tokensMax: 20, stop: [stop] }));
    expect(textOf(events)).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(finishedOf(events).reason).toBe('stop');
  });

  test.each([
    { name: 'nobody decodes', roles: ['encode-0', 'prefill-0'], request: {}, code: 'no_pod' },
    { name: 'nobody encodes', roles: ['prefill-0', 'decode-0'], request: {}, code: 'no_pod' },
    { name: 'the prompt is too long', roles: pods, request: longPrompt(), code: 'prompt_too_long' },
  ])('$name: $code', async ({ roles, request, code }) => {
    await using system = new MemorySystem({ roles });
    expect(await codeOf(system.run(requestOf(request)))).toBe(code);
    expect(system.admission.running).toBe(0);
  });

  test("errors that planning cannot mend are the client's at once", async () => {
    await using system = new MemorySystem();
    system.faults = [{ podId: 'prefill-0', afterEvents: 0, error: new TercetError('grammar_unsupported') }];
    expect(await codeOf(system.run(requestOf()))).toBe('grammar_unsupported');
    expect(system.calls.filter((call) => call.endsWith('prefill'))).toHaveLength(1);
  });

  test('media that nobody read, because prefill refused the call, are given up with it', async () => {
    await using system = new MemorySystem({ roles: [...pods, 'prefill-1', 'decode-2'] });
    system.faults = [{ podId: 'prefill-0', afterEvents: -1, error: new TercetError('epoch_stale') }];
    expect(finishedOf(await system.run(requestOf())).timeline.attempts).toBe(2);
    await settled();
    expect([system.tensors.open, system.isEmpty()]).toEqual([0, true]);
  });

  test('attempts have an end', async () => {
    await using system = new MemorySystem({ limits: { attemptsMax: 3 } });
    const fault = { podId: 'prefill-0', afterEvents: 0, error: new TercetError('stage_failed') };
    system.faults = Array.from({ length: 9 }, () => fault);
    expect(await codeOf(system.run(requestOf()))).toBe('stage_failed');
    expect(system.calls.filter((call) => call === 'prefill-0 prefill')).toHaveLength(3);
  });

  test('one request more than may run is refused, and none once it closes', async () => {
    await using system = new MemorySystem({ runningMax: 1 });
    const first = system.pipeline.run(requestOf(), new AbortController().signal);
    await first.next();
    expect(await codeOf(system.run(requestOf()))).toBe('overloaded');
    await first.return(undefined);
    await system.admission.close();
    expect(await codeOf(system.run(requestOf()))).toBe('shutting_down');
  });
});

function longPrompt(): Partial<GenerationRequest> {
  return { prompt: { kind: 'tokens', tokenIds: Array<number>(300).fill(30) }, media: [] };
}

function textOf(events: readonly AnswerEvent[]): string {
  return events.map((event) => (event.kind === 'accepted' ? '' : event.text)).join('');
}

describe('a pipeline that routes by what is cached', () => {
  const roles = ['encode-0', 'encode-1', 'prefill-0', 'prefill-1', 'decode-0', 'decode-1'];
  const chooser = byCache(() => ({ fixedMs: 0, perTokenMs: 1, perTokenSquaredMs: 0 }));

  test('finds at the pod what it expected there, with images, for each tenant and after a failure', async () => {
    const tokens: { expected: number; found: number }[] = [];
    const reasons: string[] = [];
    const counts: RouteCounts = {
      routed: (_, reason) => reasons.push(reason),
      predicted: (_, predicted) => tokens.push(predicted),
    };
    await using system = new MemorySystem({ roles, chooser, counts });
    const ask = async (more: Partial<GenerationRequest> = {}) => {
      const { timeline, usage } = finishedOf(await system.run(requestOf(more)));
      await settled();
      return { ...timeline.pods, ...timeline.route, cachedTokens: usage.cachedTokens };
    };
    const first = await ask({ tenant: 'a' });
    const again = await ask({ tenant: 'a' });
    expect(again).toMatchObject({ prefill: first.prefill, encode: first.encode, reason: 'prefix' });
    expect(again.expectedTokens).toBeGreaterThan(0);
    // Of equals the emptier cache, and never the prefix of another tenant.
    expect(await ask({ tenant: 'b' })).toMatchObject({ reason: 'load', cachedTokens: 0, expectedTokens: 0 });
    system.faults = [{ podId: 'decode-0', afterEvents: 5, error: new TercetError('pod_unreachable') }];
    await ask({ tenant: 'a' });
    system.faults = [{ podId: first.prefill, afterEvents: -1, error: new TercetError('pod_unreachable') }];
    expect((await ask({ tenant: 'a' })).prefill).not.toBe(first.prefill);
    expect(tokens.map(({ expected }) => expected)).toEqual(tokens.map(({ found }) => found));
    expect(tokens.length).toBeGreaterThanOrEqual(6);
    expect(reasons.slice(0, 3)).toEqual(['load', 'prefix', 'load']);
  });
});

/** Everything that was cancelled has let go. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 400; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A PNG of 4 x 4 pixels. */
function picture(): Uint8Array {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const header = Buffer.from('00000004000000040802000000', 'hex');
  const rows = deflateSync(Buffer.alloc(4 * 13));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}
