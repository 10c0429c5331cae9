import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment as ours } from '../config.js';
import type { ProcessPlan } from './topology.js';

export interface ChildEvents {
  /** A line that the process wrote. */
  onLine(name: string, line: string): void;
  /** It ended without being told to; it starts again after `delayMs`. */
  onCrash(name: string, reason: string, delayMs: number): void;
  /** It ended so early and so often that starting it again is no use. */
  onGaveUp(name: string, reason: string): void;
}

const backOffMs = { first: 200, max: 10_000 };
/** A process that ran so long was well: the next crash starts at the first delay again. */
const wellAfterMs = 30_000;
const earlyCrashesMax = 5;

/** A process that is kept running: started again when it dies, with growing delays, until it is stopped. */
export class SupervisedProcess {
  readonly plan: ProcessPlan;
  readonly #entry: string;
  readonly #events: ChildEvents;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #changed: ProcessPlan['environment'] = {};
  #starts = 0;
  #ended: Promise<void>;

  constructor(plan: ProcessPlan, entry: string, events: ChildEvents) {
    this.plan = plan;
    this.#entry = entry;
    this.#events = events;
    this.#ended = this.#keepRunning();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it was started again. */
  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  /** From its next start on, this is what is different. */
  changeEnvironment(changed: ProcessPlan['environment']): void {
    this.#changed = changed;
  }

  /** Asks it to finish what it does; kills it when that takes longer. Resolves when it is gone. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stop.abort();
    this.#child?.kill('SIGTERM');
    const kill = setTimeout(() => this.#child?.kill('SIGKILL'), timeoutMs);
    await this.#ended;
    clearTimeout(kill);
  }

  async #keepRunning(): Promise<void> {
    const { name } = this.plan;
    let delayMs = backOffMs.first;
    for (let early = 0; !this.#stop.signal.aborted; ) {
      const startedMs = performance.now();
      const reason = await this.#runOnce();
      if (this.#stop.signal.aborted) return;
      const ranWell = performance.now() - startedMs > wellAfterMs;
      early = ranWell ? 0 : early + 1;
      delayMs = ranWell ? backOffMs.first : delayMs;
      if (early > earlyCrashesMax) {
        this.#events.onGaveUp(name, reason);
        return;
      }
      this.#events.onCrash(name, reason, delayMs);
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      delayMs = Math.min(2 * delayMs, backOffMs.max);
    }
  }

  /** @returns why it ended */
  #runOnce(): Promise<string> {
    const { name, environment, entry } = this.plan;
    const generation = entry === 'stage' ? { TERCET__STAGE__GENERATION: String(this.#starts) } : {};
    this.#starts++;
    const { promise, resolve } = Promise.withResolvers<string>();
    // The channel tells the child when this process is gone, however it went.
    const child = spawn(process.execPath, ['--enable-source-maps', this.#entry], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...inherited(), ...environment, ...this.#changed, ...generation },
    });
    this.#child = child;
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') this.#events.onLine(name, line);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    return promise;
  }
}

/** What every process gets of this one's environment: settings of services too, for what no option is there for. */
function inherited(): Record<string, string | undefined> {
  const known = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_OPTIONS', 'SSL_CERT_FILE', 'UV_THREADPOOL_SIZE'];
  const names = [...known, ...Object.keys(ours).filter((name) => name.startsWith('TERCET__'))];
  return Object.fromEntries(names.map((name) => [name, ours[name]]));
}
