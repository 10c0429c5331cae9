import { TercetError } from '@tercet/contracts';
import {
  type ClaimedLine,
  isFinal,
  type Job,
  type JobLine,
  type JobStore,
  type Lease,
  type LineOutcome,
  type LineResult,
  type Page,
  type PageQuery,
  withResults,
} from '@tercet/jobs';
import { pageOf } from './pages.js';
import { type Database, numberOf, type Sql, type SqlRow, textOf } from './sql.js';

/** Lines that one statement adds. */
const linesPerInsert = 1000;
/** Results that are read at a time. */
const resultsPerPage = 50;

export class JobTable implements JobStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Two that come at the same moment may both take the last place. */
  async create(job: Job, { underWayMax }: { readonly underWayMax: number }): Promise<void> {
    const insert = `INSERT INTO jobs (id, tenant, created_ms, state, under_way, runner_id, free_ms, record)
      VALUES ($1, $2, $3, $4, 1, '', 0, $5)`;
    await this.#database.transaction(async (sql) => {
      const [row] = await sql.rows('SELECT COUNT(*) AS jobs FROM jobs WHERE under_way = 1');
      if (numberOf(row, 'jobs') >= underWayMax) throw new TercetError('overloaded', { underWayMax });
      await sql.rows(insert, [job.id, job.tenant, job.createdMs, job.state, JSON.stringify(job)]);
    });
  }

  async get(id: string): Promise<Job | undefined> {
    const [row] = await this.#database.rows('SELECT record FROM jobs WHERE id = $1', [id]);
    return row === undefined ? undefined : jobOf(row);
  }

  list(query: PageQuery): Promise<Page<Job>> {
    return pageOf<Job>(this.#database, { table: 'jobs' }, query);
  }

  async underWay(): Promise<Job[]> {
    const select = 'SELECT record FROM jobs WHERE under_way = 1 ORDER BY created_ms, id';
    return (await this.#database.rows(select)).map(jobOf);
  }

  async untold(limit: number): Promise<Job[]> {
    const select = 'SELECT record FROM jobs WHERE told = 0 ORDER BY created_ms, id LIMIT $1';
    return (await this.#database.rows(select, [limit])).map(jobOf);
  }

  async told(ids: readonly string[]): Promise<void> {
    await this.#database.transaction(async (sql) => {
      for (const id of [...ids].sort()) await sql.rows('UPDATE jobs SET told = 1 WHERE id = $1', [id]);
    });
  }

  change(id: string, next: (job: Job) => Job): Promise<Job | undefined> {
    return this.#database.transaction(async (sql) => {
      const job = await this.#locked(sql, id);
      return job === undefined ? undefined : replace(sql, next(job));
    });
  }

  claimValidation({ runnerId, nowMs, untilMs }: Lease): Promise<Job | undefined> {
    const select = `SELECT record FROM jobs WHERE under_way = 1 AND state = 'validating' AND free_ms <= $1
      ORDER BY created_ms, id LIMIT 1 ${this.#database.dialect.skipLocked}`;
    return this.#database.transaction(async (sql) => {
      const [row] = await sql.rows(select, [nowMs]);
      if (row === undefined) return undefined;
      const job = jobOf(row);
      await sql.rows('UPDATE jobs SET runner_id = $2, free_ms = $3 WHERE id = $1', [job.id, runnerId, untilMs]);
      await sql.rows('DELETE FROM job_lines WHERE job_id = $1', [job.id]);
      return job;
    });
  }

  addLines(jobId: string, lines: readonly JobLine[], { runnerId, untilMs }: Lease): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      const job = await this.#validatedBy(sql, jobId, runnerId);
      if (job === undefined) return false;
      await sql.rows('UPDATE jobs SET free_ms = $2 WHERE id = $1', [jobId, untilMs]);
      for (let start = 0; start < lines.length; start += linesPerInsert) {
        await insertLines(sql, jobId, lines.slice(start, start + linesPerInsert));
      }
      return true;
    });
  }

  endValidation(jobId: string, runnerId: string, next: (job: Job) => Job): Promise<Job | undefined> {
    return this.#database.transaction(async (sql) => {
      const job = await this.#validatedBy(sql, jobId, runnerId);
      if (job === undefined) return undefined;
      await sql.rows("UPDATE jobs SET runner_id = '', free_ms = 0 WHERE id = $1", [jobId]);
      return replace(sql, next(job));
    });
  }

  async claimLines(jobId: string, { runnerId, nowMs, untilMs }: Lease, limit: number): Promise<ClaimedLine[]> {
    const update = `WITH free AS MATERIALIZED (
        SELECT line FROM job_lines WHERE job_id = $1 AND outcome IS NULL AND free_ms <= $2
        ORDER BY line LIMIT $3 ${this.#database.dialect.skipLocked})
      UPDATE job_lines SET runner_id = $4, free_ms = $5, attempt = attempt + 1
      WHERE job_id = $1 AND line IN (SELECT line FROM free) RETURNING line, custom_id, body, attempt`;
    const rows = await this.#database.rows(update, [jobId, nowMs, limit, runnerId, untilMs]);
    const claimed = rows.map((row) => ({
      jobId,
      line: numberOf(row, 'line'),
      customId: textOf(row, 'custom_id'),
      body: textOf(row, 'body'),
      attempt: numberOf(row, 'attempt'),
    }));
    return claimed.sort((a, b) => a.line - b.line);
  }

  async renewLines({ runnerId, untilMs }: Lease): Promise<{ jobId: string; line: number }[]> {
    const update = `UPDATE job_lines SET free_ms = $2
      WHERE runner_id = $1 AND outcome IS NULL AND runner_id <> '' RETURNING job_id, line`;
    const rows = await this.#database.rows(update, [runnerId, untilMs]);
    return rows.map((row) => ({ jobId: textOf(row, 'job_id'), line: numberOf(row, 'line') }));
  }

  async releaseLine(
    { jobId, line, attempt }: ClaimedLine,
    { runnerId, freeMs, counts }: { readonly runnerId: string; readonly freeMs: number; readonly counts: boolean },
  ): Promise<void> {
    const update = `UPDATE job_lines SET runner_id = '', free_ms = $4, attempt = $5
      WHERE job_id = $1 AND line = $2 AND runner_id = $3 AND outcome IS NULL`;
    await this.#database.rows(update, [jobId, line, runnerId, freeMs, counts ? attempt : attempt - 1]);
  }

  finishLines(results: readonly LineResult[]): Promise<boolean[]> {
    // All take the jobs in one order, so that nobody waits for one who waits for him.
    const jobIds = [...new Set(results.map(({ jobId }) => jobId))].sort();
    return this.#database.transaction(async (sql) => {
      const isFirst = new Map<LineResult, boolean>();
      for (const jobId of jobIds) {
        const job = await this.#locked(sql, jobId);
        if (job === undefined) continue;
        const counts = { completed: 0, failed: 0 };
        for (const result of results) {
          if (result.jobId !== jobId || !(await writeResult(sql, result))) continue;
          isFirst.set(result, true);
          counts[result.outcome]++;
        }
        await replace(sql, withResults(job, counts));
      }
      return results.map((result) => isFirst.get(result) ?? false);
    });
  }

  async resultBytes(jobId: string): Promise<Record<LineOutcome, number>> {
    const select = `SELECT outcome, SUM(result_bytes) AS bytes FROM job_lines
      WHERE job_id = $1 AND outcome IS NOT NULL GROUP BY outcome`;
    const rows = await this.#database.rows(select, [jobId]);
    const bytesOf = (outcome: LineOutcome) =>
      numberOf(
        rows.find((row) => row.outcome === outcome),
        'bytes',
      );
    return { completed: bytesOf('completed'), failed: bytesOf('failed') };
  }

  async *results(jobId: string, outcome: LineOutcome): AsyncGenerator<Uint8Array> {
    const select = `SELECT line, result FROM job_lines
      WHERE job_id = $1 AND outcome = $2 AND line > $3 AND result IS NOT NULL ORDER BY line LIMIT $4`;
    for (let last = -1; ; ) {
      const rows = await this.#database.rows(select, [jobId, outcome, last, resultsPerPage]);
      if (rows.length === 0) return;
      yield Buffer.from(rows.map((row) => `${textOf(row, 'result')}\n`).join(''));
      last = numberOf(rows.at(-1), 'line');
    }
  }

  async #locked(sql: Sql, id: string): Promise<Job | undefined> {
    const select = `SELECT record FROM jobs WHERE id = $1 ${this.#database.dialect.forUpdate}`;
    const [row] = await sql.rows(select, [id]);
    return row === undefined ? undefined : jobOf(row);
  }

  async #validatedBy(sql: Sql, id: string, runnerId: string): Promise<Job | undefined> {
    const select = `SELECT record FROM jobs WHERE id = $1 AND runner_id = $2 AND state = 'validating'
      ${this.#database.dialect.forUpdate}`;
    const [row] = await sql.rows(select, [id, runnerId]);
    return row === undefined ? undefined : jobOf(row);
  }
}

function jobOf(row: SqlRow): Job {
  return JSON.parse(textOf(row, 'record')) as Job;
}

async function replace(sql: Sql, job: Job): Promise<Job> {
  // Whoever ends it owes the world that news, until it is told.
  const update = `UPDATE jobs SET state = $2, under_way = $3, record = $4,
    told = CASE WHEN under_way > $3 THEN 0 ELSE told END WHERE id = $1`;
  await sql.rows(update, [job.id, job.state, isFinal(job) ? 0 : 1, JSON.stringify(job)]);
  return job;
}

async function insertLines(sql: Sql, jobId: string, lines: readonly JobLine[]): Promise<void> {
  const rows = lines.map((_, index) => `($1, $${3 * index + 2}, $${3 * index + 3}, $${3 * index + 4}, 0, '', 0, 0)`);
  const values = lines.flatMap(({ line, customId, body }) => [line, customId, body]);
  const columns = '(job_id, line, custom_id, body, attempt, runner_id, free_ms, result_bytes)';
  await sql.rows(`INSERT INTO job_lines ${columns} VALUES ${rows.join(', ')}`, [jobId, ...values]);
}

/** @returns whether it is the line's first */
async function writeResult(sql: Sql, { jobId, line, outcome, text }: LineResult): Promise<boolean> {
  const update = `UPDATE job_lines SET outcome = $3, result = $4, result_bytes = $5, body = NULL, runner_id = ''
    WHERE job_id = $1 AND line = $2 AND outcome IS NULL RETURNING line`;
  const written = await sql.rows(update, [jobId, line, outcome, text, Buffer.byteLength(text) + 1]);
  return written.length > 0;
}
