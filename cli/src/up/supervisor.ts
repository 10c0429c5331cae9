import { createWriteStream, mkdirSync, readdirSync, rmSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TercetError } from '@tercet/contracts';
import { DeviceArbiterServer } from '@tercet/device-arbiter';
import { controlStorePath } from '../config.js';
import { type ChildEvents, SupervisedProcess } from './child-process.js';
import { lockInstance } from './instance-lock.js';
import { MetricsTargets } from './metrics-targets.js';
import { type ModelPaths, planSystem, type UpOptions, withoutRole } from './topology.js';

export interface SupervisorOptions {
  readonly up: UpOptions;
  readonly models: readonly ModelPaths[];
  readonly folder: string;
  /** What a person should see: crashes, restarts. */
  readonly notify: (text: string) => void;
}

const entries = {
  stage: fileURLToPath(import.meta.resolve('@tercet/stage-service/main')),
  gateway: fileURLToPath(import.meta.resolve('@tercet/gateway/main')),
  controller: fileURLToPath(import.meta.resolve('@tercet/controller-service/main')),
  vectorIndex: fileURLToPath(import.meta.resolve('@tercet/vector-index-service/main')),
};
const stopTimeoutMs = { gateway: 35_000, controller: 12_000, stage: 12_000, vectorIndex: 15_000 };
const readyTimeoutMs = 120_000;

/**
 * A whole system on this machine: the device arbiter here; stages, controllers, the vector index and the gateway as
 * processes that are watched and started again. Stops in order, so that no request is lost: the gateway first, which
 * finishes what it answers, then the controllers, the stages and the vector index. A controller that cannot run is told
 * of, and stops nothing else.
 */
export class Supervisor implements AsyncDisposable {
  readonly logPath: string;
  readonly #up: UpOptions;
  readonly #lock: Disposable;
  readonly #arbiter: DeviceArbiterServer;
  readonly #stages: readonly SupervisedProcess[];
  #controllers: readonly SupervisedProcess[] = [];
  readonly #beginControl: () => void;
  readonly #vectorIndex: SupervisedProcess;
  readonly #gateway: SupervisedProcess;
  readonly #failed = Promise.withResolvers<never>();

  /** @throws already_running, port_in_use */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { folder, up } = options;
    const lock = await lockInstance(folder);
    try {
      const sockets = join(folder, 'run');
      mkdirSync(sockets, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(sockets)) rmSync(join(sockets, name), { force: true });
      const files = { sockets, controlStore: controlStorePath(folder) };
      const kept = { collections: join(folder, 'collections'), backups: join(folder, 'backups') };
      const plan = planSystem(up, options.models, { ...files, ...kept, eventLog: join(folder, 'events.db') });
      const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
      const arbiter = await DeviceArbiterServer.open({ socketPath: plan.arbiterSocket, cores: up.cores, clock });
      return new Supervisor(options, { lock, arbiter, plan });
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(
    { up, folder, notify }: SupervisorOptions,
    parts: { lock: Disposable; arbiter: DeviceArbiterServer; plan: ReturnType<typeof planSystem> },
  ) {
    this.#up = up;
    this.logPath = join(folder, 'tercet.log');
    this.#lock = parts.lock;
    this.#arbiter = parts.arbiter;
    this.#failed.promise.catch(() => undefined);
    const log = createWriteStream(this.logPath, { flags: 'w', mode: 0o600 });
    const targets = new MetricsTargets(join(folder, 'metrics-targets.json'));
    const onFailure = (message: string) => this.#failed.reject(new Error(message));
    const events = this.#events({ log, notify, targets, onFailure });
    const aside = this.#events({ log, notify, targets, onFailure: notify });
    this.#stages = parts.plan.stages.map((plan) => new SupervisedProcess(plan, entries.stage, { events }));
    this.#vectorIndex = new SupervisedProcess(parts.plan.vectorIndex, entries.vectorIndex, { events });
    this.#gateway = new SupervisedProcess(parts.plan.gateway, entries.gateway, { events });
    this.#beginControl = () => {
      this.#controllers = parts.plan.controllers.map(
        (plan) => new SupervisedProcess(plan, entries.controller, { events: aside }),
      );
      const pools = new Set(parts.plan.controllers.flatMap(({ pool }) => pool));
      for (const stage of this.#stages) if (pools.has(stage.plan.name)) stage.changeEnvironment(withoutRole);
    };
  }

  /** Where the gateway answers. With port 0 it is known once the gateway listens. */
  get url(): string {
    const { host, port } = this.#up;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#gateway.port ?? port}`;
  }

  /** Processes by name. */
  get processes(): { readonly name: string; readonly pid: number | undefined; readonly restarts: number }[] {
    return [...this.#stages, this.#vectorIndex, this.#gateway, ...this.#controllers].map(({ plan, pid, restarts }) => ({
      name: plan.name,
      pid,
      restarts,
    }));
  }

  /**
   * Resolves when every stage serves. The controllers begin only then: they shall not take cores from the start, and
   * from then on a stage that starts again waits for the role that its controller recorded.
   * @throws what stopped a process from starting, no_pod when it takes too long
   */
  async ready(signal: AbortSignal): Promise<void> {
    const decided = new AbortController();
    const either = AbortSignal.any([signal, decided.signal, AbortSignal.timeout(readyTimeoutMs)]);
    const asking = this.#untilReady(either);
    asking.catch(() => undefined);
    try {
      await Promise.race([this.#failed.promise, asking]);
      this.#beginControl();
    } finally {
      // Another program on the port may never answer.
      decided.abort();
    }
  }

  /** Rejects when a process cannot be kept running. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway.stop(stopTimeoutMs.gateway);
    await Promise.all(this.#controllers.map((controller) => controller.stop(stopTimeoutMs.controller)));
    await Promise.all(this.#stages.map((stage) => stage.stop(stopTimeoutMs.stage)));
    await this.#vectorIndex.stop(stopTimeoutMs.vectorIndex);
    await this.#arbiter[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }

  /** Asks nobody before the gateway says that the port is its own: another program there may say anything. */
  async #untilReady(signal: AbortSignal): Promise<void> {
    let missing: readonly string[] = ['the gateway does not answer'];
    while (!signal.aborted) {
      if (this.#gateway.port !== undefined) {
        const response = await fetch(`${this.url}/readyz`, { signal }).catch(() => undefined);
        if (response?.ok === true) return;
        if (response !== undefined) missing = await missingOf(response);
      }
      await sleep(100, undefined, { signal }).catch(() => undefined);
    }
    throw new TercetError('no_pod', { missing: missing.join(', ') });
  }

  /** @param onFailure what is done about a process that cannot be kept running */
  #events({ log, notify, targets, onFailure }: EventSinks): ChildEvents {
    const lastError = new Map<string, string>();
    return {
      onReady: (name, metrics) => targets.add(name, metrics),
      onEnd: (name) => targets.remove(name),
      onLine: (name, line) => {
        log.write(`${line}\n`);
        const message = startFailure(line);
        if (message !== undefined) {
          lastError.set(name, message);
          onFailure(`${name}: ${message}`);
        }
      },
      onCrash: (name, reason, delayMs) => notify(`${name} ended (${reason}); starts again in ${delayMs} ms`),
      onGaveUp: (name, reason) => {
        const why = lastError.get(name) ?? reason;
        onFailure(`${name} does not stay up: ${why}; see ${this.logPath}`);
      },
    };
  }
}

interface EventSinks {
  readonly log: WriteStream;
  readonly notify: (text: string) => void;
  readonly targets: MetricsTargets;
  readonly onFailure: (message: string) => void;
}

/** What keeps a gateway from being ready, as it says. */
async function missingOf(response: Response): Promise<string[]> {
  const said = (await response.json().catch(() => undefined)) as { missing?: string[] } | undefined;
  return said?.missing ?? [`the gateway answers ${response.status}`];
}

/** What a process says when it refuses to start. */
function startFailure(line: string): string | undefined {
  if (!line.includes('.start_failed"')) return undefined;
  try {
    const { error } = JSON.parse(line) as { error?: { code?: string; message?: string } };
    return `${error?.message ?? 'did not start'} [${error?.code ?? 'internal'}]`;
  } catch {
    return undefined;
  }
}
