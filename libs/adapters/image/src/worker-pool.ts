import { Worker } from 'node:worker_threads';
import { TercetError } from '@tercet/contracts';
import type { CutReply, CutTask } from './tile-worker.js';

export interface WorkerPoolOptions {
  /** Most threads; they start when first needed. */
  readonly workersMax: number;
  /** Most tasks that wait for a thread; one more is refused. */
  readonly waitingMax: number;
  /** What a thread runs; the one that cuts tiles unless given. */
  readonly script?: URL;
}

/** Pixels lie outside the heap, so a small one does; by default a thread kept 180 MB, with this 80 MB. */
const resourceLimits = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 };

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
    const worker = new Worker(this.#options.script ?? tileWorkerUrl(), { resourceLimits });
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
    try {
      // Sent as it is, a part of a larger buffer would take the whole buffer along.
      const file = new Uint8Array(waiting.task.file);
      thread.worker.postMessage({ ...waiting.task, file }, [file.buffer]);
    } catch (error) {
      waiting.reject(new TercetError('internal', { reason: 'the image cannot be sent' }, { cause: error }));
      return;
    }
    thread.running = waiting;
    thread.worker.ref();
  }

  #finish(thread: Thread, reply: CutReply): void {
    const { running } = thread;
    thread.running = undefined;
    thread.worker.unref();
    if (reply.kind === 'done') running?.resolve(reply.pixels);
    else running?.reject(failureOf(reply));
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
    while (!this.#closed && this.#waiting.length > 0) {
      const idle = this.#idleThread();
      if (idle === undefined) return;
      this.#start(idle, this.#waiting.shift() as Waiting);
    }
  }
}

/** A thread starts from sources where this file did. */
function tileWorkerUrl(): URL {
  return new URL(`./tile-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}

function failureOf({ kind, reason }: CutReply & { kind: 'invalid' | 'failed' }): TercetError {
  return new TercetError(kind === 'invalid' ? 'media_invalid' : 'internal', { reason });
}
