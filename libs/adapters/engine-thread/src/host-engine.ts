import type { MessagePort } from 'node:worker_threads';
import { TercetError } from '@tercet/contracts';
import type { DecodeSession, DecodeTask, EmbeddedEngine, KvExport, PrefillTask } from '@tercet/engine';
import { type Command, type Event, errorFromWire, errorToWire, type KvPlaces, SharedLoad } from './protocol.js';

/** Answers the commands of {@link EngineThread} with an engine of this thread, until it is closed. */
export function hostEngine(engine: EmbeddedEngine, port: MessagePort): void {
  new EngineHost(engine, port).start();
}

/** Tells the owner why there is no engine. */
export function refuseToOpen(port: MessagePort, error: unknown): void {
  port.postMessage({ kind: 'failed', id: 0, error: errorToWire(error) } satisfies Event);
  port.close();
}

const loadIntervalMs = 200;

type Call = Exclude<Command, { kind: 'abort' | 'release' }>;

/**
 * Layers are told in groups of so many bytes: whoever pulls them wakes up for each, and takes a core from the threads
 * that compute the next.
 */
const announcedBytes = 1 << 20;

class EngineHost {
  readonly #engine: EmbeddedEngine;
  readonly #port: MessagePort;
  readonly #load = new SharedLoad();
  readonly #calls = new Map<number, AbortController>();
  readonly #exports = new Map<number, KvExport>();
  readonly #sessions = new Map<number, DecodeSession>();

  constructor(engine: EmbeddedEngine, port: MessagePort) {
    this.#engine = engine;
    this.#port = port;
  }

  start(): void {
    this.#port.on('message', (command: Command) => {
      this.#obey(command);
      this.#load.write(this.#engine.load());
    });
    // Slots also go back when a step ends that nobody waits for any more.
    setInterval(() => this.#load.write(this.#engine.load()), loadIntervalMs).unref();
    this.#engine.watchPrefixes((change) => this.#port.postMessage({ kind: 'prefixes', change } satisfies Event));
    const { descriptor, work } = this.#engine;
    this.#post({ kind: 'open', descriptor, load: this.#load.buffer, work: work.buffer });
  }

  #obey(command: Command): void {
    if (command.kind === 'abort') this.#calls.get(command.id)?.abort(errorFromWire(command.error));
    else if (command.kind === 'release') this.#release(command.id);
    else this.#call(command.id, (signal) => this.#answer(command, signal));
  }

  async #answer(command: Call, signal: AbortSignal): Promise<void> {
    const { id, kind } = command;
    if (kind === 'encode') this.#done(id, await this.#engine.encode(command.task, signal));
    else if (kind === 'embed') this.#done(id, await this.#engine.embed(command.task, signal));
    else if (kind === 'prefill') await this.#prefill(id, command.task, signal);
    else if (kind === 'reserve') await this.#reserve(id, command.task, signal);
    else if (kind === 'run') await this.#run(id, command.firstTokenId, signal);
    else await this.#close(id, signal);
  }

  #call(id: number, run: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    this.#calls.set(id, controller);
    run(controller.signal)
      .catch((error: unknown) => this.#post({ kind: 'failed', id, error: errorToWire(error) }))
      .finally(() => this.#calls.delete(id));
  }

  async #prefill(id: number, task: PrefillTask, signal: AbortSignal): Promise<void> {
    for await (const output of this.#engine.prefill(task, signal)) {
      if (output.kind === 'firstToken') {
        this.#post({ kind: 'output', id, output });
        continue;
      }
      const { kv, cachedTokens, queueMs } = output;
      this.#exports.set(id, kv);
      this.#post({ kind: 'started', id, kv: this.#places(kv, kv.tokens), cachedTokens, queueMs });
      this.#tellLayers(id, kv).catch((error: unknown) => {
        this.#post({ kind: 'kvFailed', id, error: errorToWire(error) });
      });
    }
    this.#done(id);
  }

  async #tellLayers(id: number, kv: KvExport): Promise<void> {
    const never = new AbortController().signal;
    const { layerCount, kvRowBytes } = this.#engine.descriptor;
    const step = Math.ceil(announcedBytes / (2 * kv.tokens * kvRowBytes));
    for (let done = 0; done < layerCount; ) {
      done = Math.min(done + step, layerCount);
      await kv.layerReady(done - 1, never);
      this.#post({ kind: 'layers', id, done });
    }
  }

  async #reserve(id: number, task: DecodeTask, signal: AbortSignal): Promise<void> {
    const session = await this.#engine.reserve(task, signal);
    this.#sessions.set(id, session);
    this.#done(id, this.#places(session, task.tokenIds.length));
  }

  async #run(id: number, firstTokenId: number, signal: AbortSignal): Promise<void> {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new TercetError('cancelled');
    for await (const output of session.run(firstTokenId, signal)) this.#post({ kind: 'output', id, output });
    this.#done(id);
  }

  #release(id: number): void {
    this.#exports.get(id)?.release();
    this.#exports.delete(id);
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    // It is a session of an embedded engine, whose end waits for nothing and cannot fail.
    void session?.[Symbol.asyncDispose]();
  }

  async #close(id: number, signal: AbortSignal): Promise<void> {
    await this.#engine.close(signal);
    this.#done(id);
    this.#port.close();
  }

  #places(kv: Pick<KvExport, 'rows'>, tokens: number): KvPlaces {
    const { layerCount, kvRowBytes } = this.#engine.descriptor;
    const offsets: number[] = [];
    for (let layer = 0; layer < layerCount; layer++) {
      offsets.push(kv.rows(layer, 'k').byteOffset, kv.rows(layer, 'v').byteOffset);
    }
    return { tokens, offsets, bytes: tokens * kvRowBytes };
  }

  #done(id: number, value?: Float32Array | Float32Array[] | KvPlaces): void {
    this.#post({ kind: 'done', id, ...(value === undefined ? {} : { value }) });
  }

  #post(event: Event): void {
    this.#load.write(this.#engine.load());
    this.#port.postMessage(event);
  }
}
