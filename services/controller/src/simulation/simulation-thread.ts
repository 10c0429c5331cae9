import { Worker } from 'node:worker_threads';
import type { Proposal, ProposeInput, Simulation, Split, Workload } from '@tercet/allocation';
import type { Answer, Question } from './protocol.js';

const script = new URL('../../dist/simulation/simulation-worker.js', import.meta.url);

/**
 * Replays requests on a thread of its own, so that calls are answered meanwhile. The thread begins with the first
 * question: a pool in which nothing can move never needs it. Each pool waits for its answer before it asks again.
 */
export class SimulationThread implements Simulation, AsyncDisposable {
  readonly #onCrash: (error: Error) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<Proposal | number>>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** @param onCrash the thread ended by a bug: its questions stay without an answer, and the process should go */
  constructor(onCrash: (error: Error) => void) {
    this.#onCrash = onCrash;
  }

  async propose(input: ProposeInput): Promise<Proposal> {
    return (await this.#ask({ kind: 'propose', input })) as Proposal;
  }

  async attainment(work: Workload, split: Split): Promise<number> {
    return (await this.#ask({ kind: 'attainment', work, split })) as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #ask(question: Question): Promise<Proposal | number> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Proposal | number>();
    this.#waiting.set(id, answer);
    this.#worker ??= this.#begin();
    this.#worker.postMessage({ id, question });
    return answer.promise;
  }

  #begin(): Worker {
    // Without this process's own flags, which may say that packages are to be read as sources.
    const worker = new Worker(script, { execArgv: [] });
    worker.unref();
    worker.on('message', ({ id, result }: Answer) => {
      this.#waiting.get(id)?.resolve(result);
      this.#waiting.delete(id);
    });
    worker.once('error', (error) => this.#onCrash(error as Error));
    return worker;
  }
}
