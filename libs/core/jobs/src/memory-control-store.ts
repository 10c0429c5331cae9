import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type {
  ClaimedLine,
  ControlStore,
  FileStore,
  JobLine,
  JobStore,
  Lease,
  LineResult,
  Page,
  PageQuery,
} from './control-store.js';
import { isFinal, type Job, type LineOutcome, withResults } from './job.js';
import type { StoredFile } from './stored-file.js';

interface MemoryLine extends JobLine {
  readonly attempt: number;
  readonly freeMs: number;
  readonly runnerId: string;
  readonly result?: { readonly outcome: LineOutcome; readonly text: string | undefined };
}

/** A store that ends with its process, and the plain model that the real ones are compared with. */
export class MemoryControlStore implements ControlStore {
  readonly jobs = new MemoryJobs();
  readonly files: MemoryFiles;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.files = new MemoryFiles(this.jobs, clock);
  }

  async nowMs(): Promise<number> {
    return this.#clock.unixMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class MemoryFiles implements FileStore {
  readonly #content = new Map<string, { readonly pieces: readonly Uint8Array[]; readonly begunMs: number }>();
  readonly #files = new Map<string, StoredFile>();
  readonly #jobs: MemoryJobs;
  readonly #clock: Clock;

  constructor(jobs: MemoryJobs, clock: Clock) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  async upload(id: string, content: AsyncIterable<Uint8Array>): Promise<number> {
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(piece.slice());
    this.#content.set(id, { pieces, begunMs: this.#clock.unixMs() });
    return pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  async publish(file: StoredFile): Promise<void> {
    if (!this.#files.has(file.id)) this.#files.set(file.id, file);
  }

  async get(id: string): Promise<StoredFile | undefined> {
    return this.#files.get(id);
  }

  async list({ purpose, ...query }: PageQuery & { readonly purpose?: string }): Promise<Page<StoredFile>> {
    const files = [...this.#files.values()].filter((file) => purpose === undefined || file.purpose === purpose);
    return pageOf(files, query);
  }

  async *read(id: string): AsyncGenerator<Uint8Array> {
    if (this.#files.get(id)?.source.kind !== 'uploaded') throw new TercetError('file_not_found', { file: id });
    yield* this.#content.get(id)?.pieces ?? [];
  }

  async delete(id: string): Promise<boolean> {
    const source = this.#files.get(id)?.source;
    if (source?.kind === 'results') this.#jobs.forgetResults(source.jobId, source.outcome);
    this.#content.delete(id);
    return this.#files.delete(id);
  }

  async bytes(): Promise<number> {
    return [...this.#files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async sweep({ nowMs, uploadsBeforeMs }: { nowMs: number; uploadsBeforeMs: number }): Promise<void> {
    for (const { id, expiresMs } of this.#files.values()) {
      if (expiresMs !== null && expiresMs <= nowMs) await this.delete(id);
    }
    for (const [id, { begunMs }] of this.#content) {
      if (!this.#files.has(id) && begunMs < uploadsBeforeMs) this.#content.delete(id);
    }
  }
}

class MemoryJobs implements JobStore {
  readonly #jobs = new Map<string, Job>();
  readonly #told = new Set<string>();
  readonly #lines = new Map<string, MemoryLine[]>();
  readonly #validations = new Map<string, { readonly runnerId: string; readonly untilMs: number }>();

  async create(job: Job, { underWayMax }: { underWayMax: number }): Promise<void> {
    if ((await this.underWay()).length >= underWayMax) throw new TercetError('overloaded', { underWayMax });
    this.#jobs.set(job.id, job);
    this.#lines.set(job.id, []);
  }

  async get(id: string): Promise<Job | undefined> {
    return this.#jobs.get(id);
  }

  async list(query: PageQuery): Promise<Page<Job>> {
    return pageOf([...this.#jobs.values()], query);
  }

  async underWay(): Promise<Job[]> {
    return newestFirst([...this.#jobs.values()].filter((job) => !isFinal(job))).reverse();
  }

  async untold(limit: number): Promise<Job[]> {
    const untold = [...this.#jobs.values()].filter((job) => isFinal(job) && !this.#told.has(job.id));
    return newestFirst(untold).reverse().slice(0, limit);
  }

  async told(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#told.add(id);
  }

  async change(id: string, next: (job: Job) => Job): Promise<Job | undefined> {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    const changed = next(job);
    this.#jobs.set(id, changed);
    return changed;
  }

  async claimValidation({ runnerId, nowMs, untilMs }: Lease): Promise<Job | undefined> {
    const free = (job: Job) => (this.#validations.get(job.id)?.untilMs ?? 0) <= nowMs;
    const job = (await this.underWay()).find((each) => each.state === 'validating' && free(each));
    if (job === undefined) return undefined;
    this.#validations.set(job.id, { runnerId, untilMs });
    this.#lines.set(job.id, []);
    return job;
  }

  async addLines(jobId: string, lines: readonly JobLine[], { runnerId, untilMs }: Lease): Promise<boolean> {
    if (!this.#validates(jobId, runnerId)) return false;
    this.#validations.set(jobId, { runnerId, untilMs });
    const fresh = lines.map((line) => ({ ...line, attempt: 0, freeMs: 0, runnerId: '' }));
    this.#linesOf(jobId).push(...fresh);
    return true;
  }

  async endValidation(jobId: string, runnerId: string, next: (job: Job) => Job): Promise<Job | undefined> {
    if (!this.#validates(jobId, runnerId)) return undefined;
    const changed = await this.change(jobId, next);
    this.#validations.delete(jobId);
    return changed;
  }

  async claimLines(jobId: string, { runnerId, nowMs, untilMs }: Lease, limit: number): Promise<ClaimedLine[]> {
    const free = this.#linesOf(jobId).filter(({ result, freeMs }) => result === undefined && freeMs <= nowMs);
    return free.slice(0, limit).map(({ line, customId, body, attempt }) => {
      this.#update(jobId, line, { runnerId, freeMs: untilMs, attempt: attempt + 1 });
      return { jobId, line, customId, body, attempt: attempt + 1 };
    });
  }

  async renewLines({ runnerId, untilMs }: Lease): Promise<{ jobId: string; line: number }[]> {
    return [...this.#lines].flatMap(([jobId, lines]) =>
      lines
        .filter((each) => each.runnerId === runnerId && each.result === undefined)
        .map(({ line }) => {
          this.#update(jobId, line, { freeMs: untilMs });
          return { jobId, line };
        }),
    );
  }

  async releaseLine(
    { jobId, line, attempt }: ClaimedLine,
    { runnerId, freeMs, counts }: { runnerId: string; freeMs: number; counts: boolean },
  ): Promise<void> {
    const held = this.#linesOf(jobId)[line];
    if (held?.runnerId !== runnerId || held.result !== undefined) return;
    this.#update(jobId, line, { runnerId: '', freeMs, attempt: counts ? attempt : attempt - 1 });
  }

  async finishLines(results: readonly LineResult[]): Promise<boolean[]> {
    return results.map(({ jobId, line, outcome, text }) => {
      const held = this.#linesOf(jobId)[line];
      const job = this.#jobs.get(jobId);
      if (held === undefined || held.result !== undefined || job === undefined) return false;
      this.#update(jobId, line, { result: { outcome, text } });
      this.#jobs.set(jobId, withResults(job, { completed: 0, failed: 0, [outcome]: 1 }));
      return true;
    });
  }

  async resultBytes(jobId: string): Promise<Record<LineOutcome, number>> {
    const bytes = { completed: 0, failed: 0 };
    for (const { result } of this.#linesOf(jobId)) {
      if (result?.text !== undefined) bytes[result.outcome] += encoded(result.text).length;
    }
    return bytes;
  }

  async *results(jobId: string, outcome: LineOutcome): AsyncGenerator<Uint8Array> {
    for (const { result } of this.#linesOf(jobId)) {
      if (result?.outcome === outcome && result.text !== undefined) yield encoded(result.text);
    }
  }

  forgetResults(jobId: string, outcome: LineOutcome): void {
    for (const { line, result } of this.#linesOf(jobId)) {
      if (result?.outcome === outcome) this.#update(jobId, line, { result: { outcome, text: undefined } });
    }
  }

  #validates(jobId: string, runnerId: string): boolean {
    return this.#validations.get(jobId)?.runnerId === runnerId && this.#jobs.get(jobId)?.state === 'validating';
  }

  #linesOf(jobId: string): MemoryLine[] {
    return this.#lines.get(jobId) ?? [];
  }

  #update(jobId: string, line: number, change: Partial<MemoryLine>): void {
    const lines = this.#linesOf(jobId);
    lines[line] = { ...(lines[line] as MemoryLine), ...change };
  }
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\n`);
}

function newestFirst<Item extends { id: string; createdMs: number }>(items: readonly Item[]): Item[] {
  return items.toSorted((a, b) => b.createdMs - a.createdMs || (a.id < b.id ? 1 : -1));
}

function pageOf<Item extends { id: string; tenant: string; createdMs: number }>(
  items: readonly Item[],
  { tenant, after, limit }: PageQuery,
): Page<Item> {
  const all = newestFirst(items.filter((item) => item.tenant === tenant));
  const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) return { items: [], hasMore: false };
  return { items: all.slice(start, start + limit), hasMore: all.length > start + limit };
}
