import type { TercetError } from '@tercet/contracts';
import type { ClaimedLine } from '@tercet/jobs';

interface Running {
  readonly line: ClaimedLine;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** Lines that this process works on. */
export class RunningLines {
  readonly #running = new Map<string, Running>();

  get size(): number {
    return this.#running.size;
  }

  has(line: Pick<ClaimedLine, 'jobId' | 'line'>): boolean {
    return this.#running.has(keyOf(line));
  }

  /** @param run ends when the line has its result or was given back, and never throws */
  start(line: ClaimedLine, run: (signal: AbortSignal) => Promise<void>): void {
    const abort = new AbortController();
    const key = keyOf(line);
    const done = run(abort.signal).finally(() => this.#running.delete(key));
    this.#running.set(key, { line, abort, done });
  }

  /** Ends the one that began last. */
  abortNewest(reason: TercetError): void {
    [...this.#running.values()].findLast(({ abort }) => !abort.signal.aborted)?.abort.abort(reason);
  }

  /** Those that run now, to be asked about later. */
  snapshot(): readonly Pick<Running, 'line' | 'abort'>[] {
    return [...this.#running.values()];
  }

  async abortAll(reason: TercetError): Promise<void> {
    for (const { abort } of this.#running.values()) abort.abort(reason);
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }
}

export function keyOf({ jobId, line }: Pick<ClaimedLine, 'jobId' | 'line'>): string {
  return `${jobId} ${line}`;
}
