import { expect } from '@jest/globals';
import { type ControlStore, cancelled, type Job, newJob, settled, validated } from '@tercet/jobs';
import fc from 'fast-check';
import { fileOf, lineOf, piecesOf, wholeOf } from './control-store-data.js';

type Command = fc.AsyncCommand<ControlStore, ControlStore>;
type Answer = (store: ControlStore) => Promise<unknown>;

const jobIds = ['batch_a', 'batch_b'];

/** What gateways do to a store, in any order: each command asks the model and the real one, and compares. */
export function storeCommands(): fc.Arbitrary<Command>[] {
  const job = fc.constantFrom(...jobIds);
  const runner = fc.constantFrom('one', 'two');
  const ms = fc.integer({ min: 1, max: 60 });
  const few = fc.integer({ min: 0, max: 4 });
  const lease = fc.record({ runnerId: runner, nowMs: ms, untilMs: fc.integer({ min: 61, max: 90 }) });
  const shortLease = fc.record({ runnerId: runner, nowMs: ms, untilMs: fc.integer({ min: 1, max: 60 }) });
  const anyLease = fc.oneof(lease, shortLease);
  const outcome = fc.constantFrom('completed' as const, 'failed' as const);
  const result = fc.record({ jobId: job, line: few, outcome, text: fc.string({ maxLength: 5 }) });
  const file = fc.constantFrom('file-a', 'file-b');
  return [
    both(
      'create',
      fc.tuple(job),
      ([id]) =>
        (store) =>
          create(store, id),
    ),
    both(
      'claimValidation',
      fc.tuple(anyLease),
      ([held]) =>
        (store) =>
          store.jobs.claimValidation(held),
    ),
    both('validate', fc.tuple(job, anyLease, few), ([id, held, lines]) => {
      return (store) => validate(store, id, { held, lines });
    }),
    both(
      'claimLines',
      fc.tuple(job, anyLease, few),
      ([id, held, n]) =>
        (store) =>
          store.jobs.claimLines(id, held, n),
    ),
    both(
      'renewLines',
      fc.tuple(anyLease),
      ([held]) =>
        async (store) =>
          sorted(await store.jobs.renewLines(held)),
    ),
    both('releaseLine', fc.tuple(job, few, runner, fc.boolean()), ([jobId, line, runnerId, counts]) => (store) => {
      const claimed = { ...lineOf(line), jobId, attempt: 3 };
      return store.jobs.releaseLine(claimed, { runnerId, freeMs: 30, counts });
    }),
    both('finishLines', fc.tuple(fc.array(result, { maxLength: 4 })), ([all]) => {
      return (store) => store.jobs.finishLines(all);
    }),
    both(
      'cancel',
      fc.tuple(job, ms),
      ([id, now]) =>
        (store) =>
          store.jobs.change(id, (each) => cancelled(each, now)),
    ),
    both(
      'settle',
      fc.tuple(job, ms),
      ([id, nowMs]) =>
        (store) =>
          settle(store, id, nowMs),
    ),
    both(
      'upload',
      fc.tuple(file, few),
      ([id, bytes]) =>
        (store) =>
          upload(store, id, bytes),
    ),
    both(
      'delete',
      fc.tuple(file),
      ([id]) =>
        (store) =>
          store.files.delete(id),
    ),
    both(
      'sweep',
      fc.tuple(ms),
      ([nowMs]) =>
        (store) =>
          store.files.sweep({ nowMs, uploadsBeforeMs: 0 }),
    ),
  ];
}

function both<Args extends unknown[]>(
  name: string,
  args: fc.Arbitrary<Args>,
  ask: (args: Args) => Answer,
): fc.Arbitrary<Command> {
  return args.map((given) => ({
    check: () => true,
    async run(model, real) {
      const answer = ask(given);
      expect(await told(answer, real)).toEqual(await told(answer, model));
      expect(await stateOf(real)).toEqual(await stateOf(model));
    },
    toString: () => `${name}(${JSON.stringify(given)})`,
  }));
}

/** What it answers, or the code of its refusal. */
async function told(ask: Answer, store: ControlStore): Promise<unknown> {
  return await ask(store).catch((error: { code?: string }) => error.code ?? String(error));
}

/** All that can be seen of a store. */
async function stateOf(store: ControlStore): Promise<unknown> {
  const query = { tenant: '', limit: 9 };
  const results: unknown[] = [];
  for (const id of jobIds) {
    const texts = [store.jobs.results(id, 'completed'), store.jobs.results(id, 'failed')].map(wholeOf);
    results.push((await Promise.all(texts)).map(String), await store.jobs.resultBytes(id));
  }
  return [await store.jobs.list(query), await store.jobs.underWay(), await store.files.list(query), results];
}

async function create(store: ControlStore, id: string): Promise<void> {
  if ((await store.jobs.get(id)) !== undefined) return;
  const about = { tenant: '', endpoint: '/v1/embeddings', inputFileId: 'file-a', metadata: null };
  await store.jobs.create(newJob({ id, ...about, nowMs: 1, windowMs: 50 }), { underWayMax: 9 });
}

async function validate(
  store: ControlStore,
  id: string,
  { held, lines }: { held: Parameters<ControlStore['jobs']['addLines']>[2]; lines: number },
): Promise<unknown> {
  const all = Array.from({ length: lines }, (_, line) => lineOf(line));
  const next = (job: Job) => validated(job, { lines, errors: [] }, held.nowMs);
  return [await store.jobs.addLines(id, all, held), await store.jobs.endValidation(id, held.runnerId, next)];
}

function settle(store: ControlStore, id: string, nowMs: number): Promise<Job | undefined> {
  return store.jobs.change(id, (job) => settled(job, nowMs, { outputFileId: `${id}-out`, errorFileId: null }));
}

async function upload(store: ControlStore, id: string, bytes: number): Promise<unknown> {
  if ((await store.files.get(id)) !== undefined) return wholeOf(store.files.read(id));
  await store.files.upload(id, piecesOf(new Uint8Array(bytes).fill(7), 2));
  await store.files.publish(fileOf(id, { bytes, expiresMs: 40 }));
  return wholeOf(store.files.read(id));
}

function sorted(lines: readonly { jobId: string; line: number }[]): unknown {
  return lines.map(({ jobId, line }) => `${jobId} ${line}`).sort();
}
