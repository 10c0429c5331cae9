import { Worker } from 'node:worker_threads';
import { TercetError, toTercetError } from '@tercet/contracts';
import {
  Channel,
  type DecodeOutput,
  type DecodeSession,
  type DecodeTask,
  type EmbedTask,
  type EncodeTask,
  type EngineDescriptor,
  type EngineLoad,
  type PrefillOutput,
  type PrefillTask,
  type PrefixChange,
  type StageEngine,
  WorkLog,
  type WorkReader,
} from '@tercet/engine';
import { answerArena } from './arena-request.js';
import {
  type Command,
  type Event,
  errorFromWire,
  errorToWire,
  type FirstToken,
  type KvPlaces,
  SharedLoad,
} from './protocol.js';
import { RemoteExport, type Rows } from './remote-export.js';

export interface EngineThreadOptions {
  /** Module of the thread; it opens an engine and calls `hostEngine`. */
  readonly script: URL;
  /** What the module reads as `workerData`. */
  readonly data: unknown;
  /** Memory of this process for KV; the view must not outlive it. */
  readonly allocateArena: (bytes: number) => { readonly address: number; readonly view: Uint8Array };
  /** The thread ended by itself: all requests have failed, and the process should go. */
  readonly onCrash: (error: Error) => void;
}

type Output =
  | ({ readonly kind: 'started' } & Omit<Event & { kind: 'started' }, 'kind' | 'id'>)
  | FirstToken
  | DecodeOutput;

interface Call {
  readonly outputs: Channel<Output>;
  readonly done: PromiseWithResolvers<unknown>;
}

/**
 * An engine on a thread of its own. Steps follow each other there without a turn through any event loop but theirs,
 * and gRPC, tensors and images are served here while a step computes. KV stays where it is: both threads see the arena.
 */
export class EngineThread implements StageEngine {
  readonly descriptor: EngineDescriptor;
  readonly work: WorkReader;
  readonly #worker: Worker;
  readonly #arena: Uint8Array | undefined;
  readonly #load: SharedLoad;
  readonly #calls = new Map<number, Call>();
  readonly #exports = new Map<number, RemoteExport>();
  #onPrefixes: ((change: PrefixChange) => void) | undefined;
  #lastId = 0;
  #closed: Promise<void> | undefined;
  /** Why nothing is taken any more. */
  #ended: TercetError | undefined;

  private constructor(worker: Worker, opened: Event & { kind: 'open' }, arena: Uint8Array | undefined) {
    this.#worker = worker;
    this.#arena = arena;
    this.descriptor = opened.descriptor;
    this.work = new WorkLog(opened.work);
    this.#load = new SharedLoad(opened.load);
  }

  /** @throws what opening the engine in the thread throws */
  static async open({ script, data, allocateArena, onCrash }: EngineThreadOptions): Promise<EngineThread> {
    const worker = new Worker(script, { workerData: data });
    const { promise, resolve, reject } = Promise.withResolvers<Event & { kind: 'open' }>();
    let arena: Uint8Array | undefined;
    const onMessage = (event: Event) => {
      if (event.kind === 'open') resolve(event);
      else if (event.kind === 'failed') reject(errorFromWire(event.error));
      else if (event.kind === 'allocate') {
        const { address, view } = allocateArena(event.bytes);
        arena = view;
        answerArena(event.answer, address);
      }
    };
    worker.on('message', onMessage);
    worker.once('error', reject);
    const onExit = (code: number) => reject(new TercetError('stage_failed', { reason: 'engine thread ended', code }));
    worker.once('exit', onExit);
    const opened = await promise.finally(() => {
      worker.off('message', onMessage).off('error', reject).off('exit', onExit);
    });
    const engine = new EngineThread(worker, opened, arena);
    worker.on('message', (event: Event) => engine.#receive(event));
    worker.once('error', (error) => engine.#crashed(error, onCrash));
    worker.once('exit', (code) => engine.#crashed(new Error(`the engine thread ended with ${code}`), onCrash));
    return engine;
  }

  async encode(task: EncodeTask, signal: AbortSignal): Promise<Float32Array> {
    return (await this.#ask((id) => ({ kind: 'encode', id, task }), signal)) as Float32Array;
  }

  async embed(task: EmbedTask, signal: AbortSignal): Promise<Float32Array[]> {
    return (await this.#ask((id) => ({ kind: 'embed', id, task }), signal)) as Float32Array[];
  }

  async *prefill(task: PrefillTask, signal: AbortSignal): AsyncGenerator<PrefillOutput> {
    const { id, call, leave } = this.#enter((id) => ({ kind: 'prefill', id, task }), signal);
    try {
      for (let output = await call.outputs.next(); output !== undefined; output = await call.outputs.next()) {
        if (output.kind === 'firstToken') yield output;
        else if (output.kind === 'started') yield this.#started(id, output);
      }
    } finally {
      leave();
      const kv = this.#exports.get(id);
      if (kv?.isDelivered === false) kv.release();
    }
  }

  async reserve(task: DecodeTask, signal: AbortSignal): Promise<DecodeSession> {
    const { id, call, leave } = this.#enter((id) => ({ kind: 'reserve', id, task }), signal);
    try {
      const rows = this.#rows((await call.done.promise) as KvPlaces);
      return new RemoteSession(rows, {
        run: (firstTokenId, stop) => this.#run(id, firstTokenId, stop),
        release: () => this.#send({ kind: 'release', id }),
      });
    } finally {
      leave();
    }
  }

  load(): EngineLoad {
    return this.#load.read();
  }

  watchPrefixes(listener: (change: PrefixChange) => void): void {
    this.#onPrefixes = listener;
  }

  /** Takes no new work, finishes what is there until the signal aborts, fails the rest, and ends the thread. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closed ??= this.#close(signal);
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(AbortSignal.abort());
  }

  async #close(signal: AbortSignal): Promise<void> {
    this.#worker.removeAllListeners('exit');
    if (this.#ended === undefined) {
      const id = ++this.#lastId;
      const call = this.#begin(id);
      this.#send({ kind: 'close', id });
      const hurry = () => this.#send({ kind: 'abort', id, error: errorToWire(new TercetError('shutting_down')) });
      if (signal.aborted) hurry();
      else signal.addEventListener('abort', hurry, { once: true });
      await call.done.promise.finally(() => signal.removeEventListener('abort', hurry));
    }
    this.#failAll(new TercetError('shutting_down'));
    await this.#worker.terminate();
  }

  async *#run(id: number, firstTokenId: number, signal: AbortSignal): AsyncGenerator<DecodeOutput> {
    const { call, leave } = this.#enter(() => ({ kind: 'run', id, firstTokenId }), signal, id);
    try {
      for (let output = await call.outputs.next(); output !== undefined; output = await call.outputs.next()) {
        if (output.kind === 'token' || output.kind === 'finished') yield output;
      }
    } finally {
      leave();
    }
  }

  async #ask(commandOf: (id: number) => Command, signal: AbortSignal): Promise<unknown> {
    const { call, leave } = this.#enter(commandOf, signal);
    try {
      return await call.done.promise;
    } finally {
      leave();
    }
  }

  /** Sends a command. The signal ends the call here at once, and there after the running step. */
  #enter(commandOf: (id: number) => Command, signal: AbortSignal, id = ++this.#lastId) {
    if (signal.aborted) throw toTercetError(signal.reason, 'cancelled');
    if (this.#ended !== undefined) throw this.#ended;
    const call = this.#begin(id);
    this.#send(commandOf(id));
    const abort = (error: TercetError) => {
      if (this.#calls.get(id) !== call) return;
      this.#calls.delete(id);
      this.#send({ kind: 'abort', id, error: errorToWire(error) });
      fail(call, error);
    };
    const onAbort = () => abort(toTercetError(signal.reason, 'cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    const leave = () => {
      signal.removeEventListener('abort', onAbort);
      abort(new TercetError('cancelled'));
    };
    return { id, call, leave };
  }

  #begin(id: number): Call {
    const call: Call = { outputs: new Channel(), done: Promise.withResolvers() };
    // Whoever reads the outputs does not wait for the end.
    call.done.promise.catch(() => undefined);
    this.#calls.set(id, call);
    return call;
  }

  #receive(event: Event): void {
    if (event.kind === 'open' || event.kind === 'allocate') return;
    if (event.kind === 'prefixes') {
      this.#onPrefixes?.(event.change);
      return;
    }
    const { id } = event;
    const call = this.#calls.get(id);
    if (event.kind === 'layers') this.#exports.get(id)?.gate.advance(event.done);
    else if (event.kind === 'kvFailed') this.#exports.get(id)?.gate.fail(errorFromWire(event.error));
    else if (call === undefined) this.#giveBack(event);
    else if (event.kind === 'output') call.outputs.push(event.output);
    else if (event.kind === 'started') {
      this.#exports.set(id, this.#export(id, event.kv));
      call.outputs.push(event);
    } else this.#end(call, event);
  }

  #end(call: Call, event: Event & { kind: 'done' | 'failed' }): void {
    this.#calls.delete(event.id);
    if (event.kind === 'failed') {
      fail(call, errorFromWire(event.error));
      return;
    }
    call.outputs.end();
    call.done.resolve(event.value);
  }

  /** What came for a call that was left meanwhile; slots that it got go back. */
  #giveBack(event: Event): void {
    if (event.kind === 'started') this.#send({ kind: 'release', id: event.id });
    if (event.kind === 'done' && event.value !== undefined && 'offsets' in event.value) {
      this.#send({ kind: 'release', id: event.id });
    }
  }

  #export(id: number, places: KvPlaces): RemoteExport {
    return new RemoteExport(places.tokens, this.#rows(places), () => {
      this.#exports.delete(id);
      this.#send({ kind: 'release', id });
    });
  }

  #started(id: number, output: Output & { kind: 'started' }): PrefillOutput {
    const kv = this.#exports.get(id);
    if (kv === undefined) throw new Error('bug: KV that was released before it was told');
    kv.isDelivered = true;
    const { cachedTokens, queueMs } = output;
    return { kind: 'started', kv, cachedTokens, queueMs };
  }

  #rows({ offsets, bytes }: KvPlaces): Rows {
    const arena = this.#arena;
    return (layer, part) => {
      const offset = offsets[layer * 2 + (part === 'k' ? 0 : 1)];
      if (arena === undefined || offset === undefined) throw new Error('bug: rows outside the arena');
      return arena.subarray(offset, offset + bytes);
    };
  }

  #send(command: Command): void {
    this.#worker.postMessage(command);
  }

  #crashed(error: Error, onCrash: (error: Error) => void): void {
    if (this.#ended !== undefined) return;
    this.#failAll(new TercetError('stage_failed', { reason: 'engine thread ended' }, { cause: error }));
    onCrash(error);
  }

  /** Fails what there is and what will be asked for; the first reason stays. */
  #failAll(error: TercetError): void {
    this.#ended ??= error;
    for (const call of this.#calls.values()) fail(call, error);
    for (const kv of this.#exports.values()) kv.gate.fail(error);
    this.#calls.clear();
  }
}

function fail(call: Call, error: TercetError): void {
  call.outputs.fail(error);
  call.done.reject(error);
}

/** A slot of the engine's thread that is filled from here. */
class RemoteSession implements DecodeSession {
  readonly rows: Rows;
  readonly #run: (firstTokenId: number, signal: AbortSignal) => AsyncGenerator<DecodeOutput>;
  #release: (() => void) | undefined;

  constructor(
    rows: Rows,
    calls: {
      run: (firstTokenId: number, signal: AbortSignal) => AsyncGenerator<DecodeOutput>;
      release: () => void;
    },
  ) {
    this.rows = rows;
    this.#run = calls.run;
    this.#release = calls.release;
  }

  run(firstTokenId: number, signal: AbortSignal): AsyncIterable<DecodeOutput> {
    return this.#run(firstTokenId, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release?.();
    this.#release = undefined;
  }
}
