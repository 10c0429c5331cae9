import { Worker } from 'node:worker_threads';
import { TercetError } from '@tercet/contracts';
import type { CutReply, CutTask } from './tile-worker.js';

export interface WorkerPoolOptions {
  /** Most threads; they start when first needed. */
  readonly workersMax: number;
  /** Most tasks that wait for a thread; one more is refused. */
  readonly waitingMax: number;
}

type Job = Omit<CutTask, 'taskId'>;

interface Waiting {
  readonly task: CutTask;
  readonly resolve: (pixels: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  running: Waiting | undefined;
}

/** Threads that cut tiles, one image at a time each. */
export class WorkerPool implements AsyncDisposable {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Waiting[] = [];
  #taskCount = 0;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /**
   * A task that was aborted leaves the queue; one that runs already runs on, and its result is dropped.
   * @throws media_invalid, overloaded, shutting_down, internal
   */
  run(job: Job, signal: AbortSignal): Promise<Float32Array> {
    const { waitingMax } = this.#options;
    if (this.#closed) return Promise.reject(new TercetError('shutting_down'));
    if (signal.aborted) return Promise.reject(signal.reason);
    const idle = this.#idleThread();
    if (idle === undefined && this.#waiting.length >= waitingMax) {
      return Promise.reject(new TercetError('overloaded', { imagesWaiting: this.#waiting.length, waitingMax }));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const settled =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          signal.removeEventListener('abort', onAbort);
          then(value);
        };
      const task = { ...job, taskId: this.#taskCount++ };
      const waiting = { task, resolve: settled(resolve), reject: settled(reject) };
      signal.addEventListener('abort', onAbort, { once: true });
      if (idle === undefined) this.#waiting.push(waiting);
      else this.#start(idle, waiting);
    });
  }

  /** Starts a thread if none was started yet. */
  warm(): void {
    if (this.#threads.size === 0 && !this.#closed) this.#startThread();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new TercetError('shutting_down'));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #idleThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.running === undefined) return thread;
    return this.#threads.size < this.#options.workersMax ? this.#startThread() : undefined;
  }

  #startThread(): Thread {
    const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./tile-worker.${suffix}`, import.meta.url));
    const thread: Thread = { worker, running: undefined };
    let failure: unknown;
    worker.unref();
    worker.on('message', (reply: CutReply) => this.#finish(thread, reply));
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => this.#lose(thread, failure));
    this.#threads.add(thread);
    return thread;
  }

  #start(thread: Thread, waiting: Waiting): void {
    thread.running = waiting;
    thread.worker.ref();
    thread.worker.postMessage(waiting.task);
  }

  #finish(thread: Thread, reply: CutReply): void {
    const { running } = thread;
    thread.running = undefined;
    thread.worker.unref();
    if (reply.kind === 'done') running?.resolve(reply.pixels);
    else running?.reject(new TercetError(reply.kind === 'invalid' ? 'media_invalid' : 'internal', pick(reply)));
    this.#startNext();
  }

  /** A thread that ended takes its task with it; the next task starts another thread. */
  #lose(thread: Thread, failure: unknown): void {
    this.#threads.delete(thread);
    const code = this.#closed ? 'shutting_down' : 'internal';
    thread.running?.reject(new TercetError(code, { reason: 'the image thread ended' }, { cause: failure }));
    this.#startNext();
  }

  #startNext(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    const idle = this.#idleThread();
    const next = idle === undefined ? undefined : this.#waiting.shift();
    if (idle !== undefined && next !== undefined) this.#start(idle, next);
  }
}

function pick({ reason }: { reason: string }): { reason: string } {
  return { reason };
}
