import { connect, type Socket } from 'node:net';
import { TercetError } from '@tercet/contracts';
import { onLine } from './lines.js';

export interface CoreGrant {
  readonly threads: number;
  release(): void;
}

/** Cores are kept this long after a step, so that the next step of a busy loop asks nobody. */
const keepIdleMs = 2;
const reconnectMs = 200;

type State =
  | { readonly kind: 'none' }
  | { readonly kind: 'asked'; readonly asked: number }
  | { readonly kind: 'held'; readonly asked: number; readonly threads: number; inUse: boolean; recalled: boolean };

/**
 * This process's way to the arbiter. One step at a time. Without an arbiter (it went away) a step gets one core, so
 * that what runs can finish.
 */
export class DeviceArbiter implements Disposable {
  readonly #path: string;
  #socket: Socket | undefined;
  #state: State = { kind: 'none' };
  #waiter: PromiseWithResolvers<CoreGrant> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws config_invalid when nobody answers there */
  static async connect(path: string): Promise<DeviceArbiter> {
    const arbiter = new DeviceArbiter(path);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    arbiter.#open(resolve, (cause) => reject(new TercetError('config_invalid', { arbiter: path }, { cause })));
    await promise;
    return arbiter;
  }

  /** Resolves when this process may compute, with at most `threadsMax` cores. @throws the signal's reason */
  async acquire({ threadsMax }: { readonly threadsMax: number }, signal: AbortSignal): Promise<CoreGrant> {
    signal.throwIfAborted();
    clearTimeout(this.#idle);
    const state = this.#state;
    if (state.kind === 'held' && !state.recalled && state.asked === threadsMax) return this.#use(state);
    if (state.kind === 'held') this.#giveBack('busy');
    if (this.#socket === undefined) return { threads: 1, release: () => undefined };
    this.#waiter = Promise.withResolvers();
    this.#state = { kind: 'asked', asked: threadsMax };
    // Whoever waits for cores at its start has nothing else that keeps it alive.
    const socket = this.#socket.ref();
    socket.write(`want ${threadsMax}\n`);
    const onAbort = () => {
      this.#giveBack('idle');
      this.#waiter?.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return this.#waiter.promise.finally(() => {
      socket.unref();
      signal.removeEventListener('abort', onAbort);
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#socket?.destroy();
  }

  #open(onOpen: () => void, onError: (error: Error) => void): void {
    const socket = connect(this.#path);
    socket.unref();
    socket.once('connect', () => {
      this.#socket = socket;
      onOpen();
    });
    socket.on('error', onError);
    socket.once('close', () => this.#lost());
    onLine(socket, (line) => this.#receive(line));
  }

  #receive(line: string): void {
    const [word, threads] = line.split(' ');
    if (word === 'grant' && this.#state.kind === 'asked') {
      const state: State = {
        kind: 'held',
        asked: this.#state.asked,
        threads: Number(threads),
        inUse: true,
        recalled: false,
      };
      this.#state = state;
      this.#waiter?.resolve(this.#use(state));
    } else if (word === 'back' && this.#state.kind === 'held') {
      if (this.#state.inUse) this.#state.recalled = true;
      else this.#giveBack('idle');
    }
  }

  #use(state: State & { kind: 'held' }): CoreGrant {
    state.inUse = true;
    const release = () => {
      if (this.#state !== state || !state.inUse) return;
      state.inUse = false;
      if (state.recalled) this.#giveBack('busy');
      else this.#idle = setTimeout(() => this.#giveBack('idle'), keepIdleMs).unref();
    };
    return { threads: state.threads, release };
  }

  #giveBack(how: 'busy' | 'idle'): void {
    clearTimeout(this.#idle);
    this.#state = { kind: 'none' };
    this.#socket?.write(`done ${how}\n`);
  }

  #lost(): void {
    this.#socket = undefined;
    this.#waiter?.resolve({ threads: 1, release: () => undefined });
    if (this.#state.kind === 'asked') this.#state = { kind: 'none' };
    if (this.#closed) return;
    setTimeout(() => {
      if (!this.#closed) this.#open(noop, noop);
    }, reconnectMs).unref();
  }
}

function noop(): void {}
