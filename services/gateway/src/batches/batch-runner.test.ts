import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { cancelled, isFinal, type Job, MemoryControlStore, newJob } from '@tercet/jobs';
import { Collections } from '../collections/collections.js';
import { VectorIndexClient } from '../collections/vector-index.js';
import { GatewayMetrics } from '../metrics.js';
import { ModelTable } from '../models/model-table.js';
import type { Admission } from '../pipeline/admission.js';
import { BackgroundAdmission } from '../pipeline/background-admission.js';
import type { GenerationRequest } from '../pipeline/request.js';
import { MemorySystem, testModel } from '../testing/memory-system.js';
import { openAdmission, placeIn } from '../testing/open-admission.js';
import { type BatchLimits, BatchRunner } from './batch-runner.js';

const limits: BatchLimits = {
  linesMax: 100,
  lineBytesMax: 10_000,
  leaseMs: 30_000,
  pollMs: 3_600_000,
  attemptsMax: 3,
  resultsKeptMs: 1000,
};
const endpoint = '/v1/chat/completions';
const model = testModel();

/** What happens before a line reaches the pods: it may throw, or wait. */
type Before = (text: string, signal: AbortSignal) => Promise<void> | void;

let store: MemoryControlStore;
let clock: ManualClock;
let system: MemorySystem;
let requests: Admission;
let runners: BatchRunner[];
let metrics: GatewayMetrics;

beforeEach(() => {
  clock = new ManualClock(1000);
  store = new MemoryControlStore(clock);
  system = new MemorySystem();
  requests = openAdmission(8, clock);
  runners = [];
  metrics = new GatewayMetrics({ slo: { ttftMs: 1000, tpotMs: 100, attainment: 0.95 }, runningMax: 8 });
});
afterEach(async () => {
  for (const runner of runners) await runner[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

function startRunner(before: Before = () => undefined): BatchRunner {
  const background = new BackgroundAdmission(requests, 4);
  async function* generate(request: GenerationRequest, signal: AbortSignal) {
    using _place = await placeIn(background);
    await before(textOf(request), signal);
    yield* system.pipeline.run(request, signal);
  }
  const embed = async () => [];
  const models = new ModelTable([model]);
  const collections = new Collections({ models, embed, index: new VectorIndexClient(undefined) });
  const routes = { models, metrics, generate, embed, collections };
  const log = { info: () => undefined, error: () => undefined };
  const runner = new BatchRunner({ store, routes, background, log, limits, metrics: metrics.batches });
  runners.push(runner);
  return runner;
}

function textOf({ prompt }: GenerationRequest): string {
  const part = prompt.kind === 'chat' ? prompt.messages[0]?.parts[0] : undefined;
  return part?.kind === 'text' ? part.text : '';
}

async function submit(id: string, texts: readonly string[], body: object = {}, tenant = ''): Promise<void> {
  const lines = texts.map((content, index) => ({
    custom_id: `${id} ${index}`,
    method: 'POST',
    url: endpoint,
    body: { model: 'fake', temperature: 0, max_tokens: 3, messages: [{ role: 'user', content }], ...body },
  }));
  const content = new TextEncoder().encode(lines.map((line) => JSON.stringify(line)).join('\n'));
  const inputFileId = `file-${id}`;
  const file = { id: inputFileId, tenant, purpose: 'batch', filename: 'in.jsonl', bytes: content.length } as const;
  await store.files.upload(
    inputFileId,
    (async function* () {
      yield content;
    })(),
  );
  await store.files.publish({ ...file, createdMs: 1, expiresMs: null, source: { kind: 'uploaded' } });
  const nowMs = clock.unixMs();
  const job = newJob({ id, tenant, endpoint, inputFileId, metadata: null, nowMs, windowMs: 60_000 });
  await store.jobs.create(job, { underWayMax: 10 });
}

/** Lets everybody work until it is so. */
async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let turns = 0; !(await condition()); turns++) {
    if (turns > 100_000) throw new Error('it does not become so');
    for (const runner of runners) runner.wake();
    await setImmediate();
  }
}

async function untilOver(id: string): Promise<Job> {
  await until(async () => isFinal((await store.jobs.get(id)) as Job));
  return (await store.jobs.get(id)) as Job;
}

interface Result {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: { error?: { code: string } } } | null;
  readonly error: { readonly code: string } | null;
}

async function resultsOf(id: string, outcome: 'completed' | 'failed'): Promise<Result[]> {
  let text = '';
  for await (const piece of store.jobs.results(id, outcome)) text += new TextDecoder().decode(piece);
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Result]));
}

/** Metrics of batches and files that are not 0. */
async function counted(): Promise<string[]> {
  const lines = (await metrics.text()).split('\n');
  return lines.filter((line) => /^tercet_(batch|files)/.test(line) && !line.endsWith(' 0'));
}

const codesOf = async (id: string) =>
  (await resultsOf(id, 'failed')).map(({ response, error }) => error?.code ?? response?.body.error?.code);

describe('BatchRunner', () => {
  test('every line gets its answer, in the order of the lines', async () => {
    startRunner();
    await submit('batch_a', ['one', 'two', 'three']);
    const job = await untilOver('batch_a');
    expect(job).toMatchObject({ state: 'completed', counts: { total: 3, completed: 3, failed: 0 }, errorFileId: null });
    const results = await resultsOf('batch_a', 'completed');
    expect(results.map(({ custom_id }) => custom_id)).toEqual(['batch_a 0', 'batch_a 1', 'batch_a 2']);
    expect(results[0]).toMatchObject({
      response: { status_code: 200, body: { object: 'chat.completion' } },
      error: null,
    });
    const bytes = Buffer.byteLength(results.map((result) => `${JSON.stringify(result)}\n`).join(''));
    expect(await store.files.get(String(job.outputFileId))).toMatchObject({ bytes, purpose: 'batch_output' });
  });

  test.each([
    [{ model: 'none' }, 404, 'model_not_found'],
    [{ temperature: 9 }, 400, 'invalid_request'],
    [{ messages: [{ role: 'user', content: 'x'.repeat(3000) }] }, 400, 'prompt_too_long'],
  ])('a line with %j fails by itself', async (body, status, code) => {
    startRunner();
    await submit('batch_a', ['one'], body);
    expect(await untilOver('batch_a')).toMatchObject({ state: 'completed', counts: { failed: 1 }, outputFileId: null });
    expect(await resultsOf('batch_a', 'failed')).toMatchObject([
      { custom_id: 'batch_a 0', response: { status_code: status, body: { error: { code } } }, error: null },
    ]);
  });

  test('what may pass is tried again, however often', async () => {
    let refusals = 9;
    startRunner(() => {
      if (refusals-- > 0) throw new TercetError('no_pod');
    });
    await submit('batch_a', ['one']);
    await until(() => {
      clock.advance(100);
      return refusals < 0;
    });
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 1 } });
    const ended = (await counted()).filter((line) => line.startsWith('tercet_batch_lines_total'));
    expect(ended).toEqual([
      'tercet_batch_lines_total{outcome="completed"} 1',
      'tercet_batch_lines_total{outcome="returned"} 9',
    ]);
  });

  test('lines of a tenant that is over its rate wait, and those of others go on', async () => {
    const heard: string[] = [];
    startRunner((text) => {
      if (text === 'poor' && clock.unixMs() < 60_000) {
        heard.push(text);
        throw new TercetError('rate_limited', { retryAfterMs: 59_000 });
      }
    });
    await submit('batch_a', Array<string>(50).fill('poor'), {}, 'poor');
    await until(() => heard.length > 0);
    await submit('batch_b', ['one', 'two'], {}, 'rich');
    expect(await untilOver('batch_b')).toMatchObject({ counts: { completed: 2 } });
    expect(await store.jobs.get('batch_a')).toMatchObject({
      state: 'in_progress',
      counts: { completed: 0, failed: 0 },
    });
    // Those that were begun together; after them none was tried.
    expect(heard.length).toBeLessThanOrEqual(4);
    clock.advance(59_000);
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 50 } });
  });

  test('what fails again and again is the result at last', async () => {
    let tries = 0;
    startRunner(() => {
      tries++;
      throw new TercetError('stage_failed');
    });
    await submit('batch_a', ['one']);
    await until(() => {
      clock.advance(100);
      return tries === limits.attemptsMax;
    });
    await untilOver('batch_a');
    expect(await codesOf('batch_a')).toEqual(['stage_failed']);
  });

  test('a line whose runner is gone is run by another, and what comes late changes nothing', async () => {
    const late = Promise.withResolvers<void>();
    let begun = false;
    const gone = startRunner(() => {
      begun = true;
      return late.promise;
    });
    await submit('batch_a', ['one']);
    await until(() => begun);
    runners.length = 0;
    startRunner();
    clock.advance(limits.leaseMs);
    expect(await untilOver('batch_a')).toMatchObject({ state: 'completed', counts: { completed: 1 } });
    const [first] = await resultsOf('batch_a', 'completed');
    late.resolve();
    await gone[Symbol.asyncDispose]();
    expect((await store.jobs.get('batch_a'))?.counts).toEqual({ total: 1, completed: 1, failed: 0 });
    expect(await resultsOf('batch_a', 'completed')).toEqual([first]);
  });

  test('a line that kills whoever runs it fails', async () => {
    const places = await Promise.all(Array.from({ length: 8 }, () => placeIn(requests)));
    startRunner();
    await submit('batch_a', ['one', 'two']);
    await until(async () => (await store.jobs.get('batch_a'))?.state === 'in_progress');
    const nowMs = clock.unixMs();
    for (let i = 0; i < limits.attemptsMax; i++) {
      await store.jobs.claimLines('batch_a', { runnerId: `dead ${i}`, nowMs, untilMs: nowMs }, 1);
    }
    for (const place of places) place[Symbol.dispose]();
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 1, failed: 1 } });
    expect(await codesOf('batch_a')).toEqual(['stage_failed']);
  });

  test('a request takes the room of a line, which waits and gets its answer later', async () => {
    const gate = Promise.withResolvers<void>();
    let tries = 0;
    startRunner((_, signal) => {
      tries++;
      return Promise.race([gate.promise, aborted(signal)]);
    });
    await submit('batch_a', ['one']);
    await until(() => tries === 1);
    const places = await Promise.all(Array.from({ length: 8 }, () => placeIn(requests)));
    for (let i = 0; i < 50; i++) await setImmediate();
    gate.resolve();
    await until(() => store.jobs.get('batch_a').then((job) => job?.state === 'in_progress'));
    expect(tries).toBe(1);
    for (const place of places) place[Symbol.dispose]();
    await until(() => {
      clock.advance(100);
      return tries === 2;
    });
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 1 } });
  });

  test('a batch that is cancelled ends its waiting lines, and keeps what was answered', async () => {
    const gate = Promise.withResolvers<void>();
    startRunner((text) => (text === 'one' ? undefined : gate.promise));
    await submit('batch_a', ['one', 'two', 'three', 'four', 'five', 'six', 'seven']);
    await until(async () => (await store.jobs.get('batch_a'))?.counts.completed === 1);
    await store.jobs.change('batch_a', (job) => cancelled(job, clock.unixMs()));
    await until(async () => (await store.jobs.get('batch_a'))?.counts.failed === 2);
    expect(await store.jobs.get('batch_a')).toMatchObject({ state: 'cancelling' });
    clock.advance(5000);
    await until(async () => (await counted()).includes('tercet_batch_oldest_seconds 5'));
    expect(await counted()).toEqual([
      'tercet_batch_lines_total{outcome="completed"} 1',
      'tercet_batch_lines_total{outcome="unrun"} 2',
      'tercet_batch_lines_running 4',
      'tercet_batch_lines_left 4',
      'tercet_batches{state="cancelling"} 1',
      'tercet_batch_oldest_seconds 5',
    ]);
    gate.resolve();
    expect(await untilOver('batch_a')).toMatchObject({ state: 'cancelled', counts: { completed: 5, failed: 2 } });
    expect(await codesOf('batch_a')).toEqual(['batch_cancelled', 'batch_cancelled']);
  });

  test('a batch whose window ends begins no further line', async () => {
    startRunner(() => {
      throw new TercetError('no_pod');
    });
    await submit('batch_a', ['one', 'two']);
    await until(async () => (await store.jobs.get('batch_a'))?.state === 'in_progress');
    clock.advance(60_000);
    expect(await untilOver('batch_a')).toMatchObject({ state: 'expired', counts: { completed: 0, failed: 2 } });
    expect(await codesOf('batch_a')).toEqual(['batch_expired', 'batch_expired']);
  });

  test('a runner that stops gives its lines back at once', async () => {
    const first = startRunner((_, signal) => aborted(signal));
    await submit('batch_a', ['one', 'two']);
    await until(() => store.jobs.get('batch_a').then((job) => job?.state === 'in_progress'));
    for (let i = 0; i < 50; i++) await setImmediate();
    await first[Symbol.asyncDispose]();
    startRunner();
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 2 } });
  });

  test('two runners never answer a line twice', async () => {
    const seen: string[] = [];
    const note = (text: string) => void seen.push(text);
    startRunner(note);
    startRunner(note);
    const texts = Array.from({ length: 30 }, (_, index) => `text ${index}`);
    await submit('batch_a', texts);
    expect(await untilOver('batch_a')).toMatchObject({ counts: { completed: 30 } });
    expect(seen.toSorted()).toEqual(texts.toSorted());
  });

  test('a small batch does not wait for a large one', async () => {
    const order: string[] = [];
    startRunner((text) => void order.push(text));
    await submit(
      'batch_a',
      Array.from({ length: 40 }, () => 'large'),
    );
    await submit('batch_b', ['small', 'small']);
    await untilOver('batch_b');
    await untilOver('batch_a');
    expect(order.lastIndexOf('small')).toBeLessThan(20);
  });

  test('an input that is wrong, or gone, fails the batch', async () => {
    await submit('batch_a', []);
    await submit('batch_b', ['one']);
    await store.files.delete('file-batch_b');
    startRunner();
    expect(await untilOver('batch_a')).toMatchObject({ state: 'failed', errors: [{ code: 'empty_file' }] });
    expect(await untilOver('batch_b')).toMatchObject({ state: 'failed', errors: [{ code: 'file_not_found' }] });
  });
});

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
