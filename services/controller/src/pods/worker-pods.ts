import { TercetError, wire } from '@tercet/contracts';
import type { Ask, PodState, Pods } from '@tercet/controller-core';
import { GrpcChannel, type GrpcTls } from '@tercet/grpc';
import { roleOf, stageOf } from '../stages.js';
import { refusesItsRole } from './probe.js';

export interface WorkerPodsOptions {
  /** Pods with another model are not of this pool. */
  readonly model: string;
  readonly endpoints: readonly string[];
  readonly tls?: GrpcTls | undefined;
}

interface Worker {
  readonly channel: GrpcChannel;
  /** What it said the last time; `undefined` while it does not answer. */
  status: wire.WorkerStatus | undefined;
  /** Role and epoch for which its calls were tried, and whether it refused them. */
  tried: { readonly role: wire.Role; readonly epoch: bigint; readonly refuses: boolean } | undefined;
}

const answerTimeoutMs = 2000;
/** Beyond its drain: unmounting and mounting a stage. */
const switchTimeoutMs = 30_000;

/**
 * Pods by the control service of their processes. Whether one serves what it claims is not only asked: the first time
 * that it is seen in an epoch, a call of its role is tried, and one that refused is tried again every time.
 */
export class WorkerPods implements Pods, Disposable {
  readonly #model: string;
  readonly #tls: GrpcTls | undefined;
  #workers: readonly Worker[] = [];

  constructor({ model, endpoints, tls }: WorkerPodsOptions) {
    this.#model = model;
    this.#tls = tls;
    this.follow(endpoints);
  }

  /** These are the pods from now on. */
  follow(endpoints: readonly string[]): void {
    const before = this.#workers;
    const isKept = ({ channel }: Worker) => endpoints.includes(channel.endpoint);
    for (const { channel } of before.filter((worker) => !isKept(worker))) channel.close();
    this.#workers = endpoints.map((endpoint) => {
      const known = before.find(({ channel }) => channel.endpoint === endpoint);
      return known ?? { channel: GrpcChannel.open(endpoint, this.#tls), status: undefined, tried: undefined };
    });
  }

  /** What the pods said the last time; one that did not answer is not among them. */
  get statuses(): wire.WorkerStatus[] {
    return this.#workers.flatMap(({ status }) => status ?? []);
  }

  /** Ids of the pods that refuse the calls of the role that they claim. */
  get refusing(): string[] {
    return this.#workers.flatMap(({ status, tried }) => (status !== undefined && tried?.refuses ? [status.podId] : []));
  }

  async states(signal: AbortSignal): Promise<PodState[]> {
    await Promise.all(this.#workers.map((worker) => this.#look(worker, signal)));
    return this.#workers.flatMap(({ status, tried }) => {
      return status === undefined ? [] : [stateOf(status, tried?.refuses === true)];
    });
  }

  async setRole(ask: Ask & { readonly drainTimeoutMs: number }, signal: AbortSignal): Promise<void> {
    const { podId, role, expectedEpoch, aboveEpoch, drainTimeoutMs } = ask;
    const worker = this.#workers.find(({ status }) => status?.podId === podId);
    if (worker === undefined) throw new TercetError('no_pod', { podId });
    const patience = AbortSignal.any([signal, AbortSignal.timeout(drainTimeoutMs + switchTimeoutMs)]);
    const status = await worker.channel
      .client(wire.WorkerDefinition)
      .setRole({ role: roleOf(role), expectedEpoch, aboveEpoch, drainTimeoutMs }, { signal: patience });
    const { epoch, phase } = status;
    if (status.role !== roleOf(role) || phase !== wire.Phase.PHASE_READY || epoch <= aboveEpoch) {
      throw new TercetError('role_switch_failed', { podId, role, says: wire.Role[status.role], epoch, aboveEpoch });
    }
  }

  [Symbol.dispose](): void {
    for (const { channel } of this.#workers) channel.close();
  }

  async #look(worker: Worker, signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]);
    try {
      const client = worker.channel.client(wire.WorkerDefinition);
      const status = await client.getStatus({}, { signal: patience });
      worker.status = status.model === this.#model ? status : undefined;
      if (status.phase !== wire.Phase.PHASE_READY) return;
      const { role, epoch } = status;
      const { tried } = worker;
      if (tried?.role === role && tried.epoch === epoch && !tried.refuses) return;
      const refuses = await refusesItsRole(worker.channel, status, patience);
      if (refuses !== undefined) worker.tried = { role, epoch, refuses };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TercetError)) throw error;
      worker.status = undefined;
    }
  }
}

const phases: Readonly<Record<wire.Phase, PodState['phase']>> = {
  [wire.Phase.PHASE_UNSPECIFIED]: 'unassigned',
  [wire.Phase.PHASE_UNASSIGNED]: 'unassigned',
  [wire.Phase.PHASE_MOUNTING]: 'mounting',
  [wire.Phase.PHASE_READY]: 'ready',
  [wire.Phase.PHASE_DRAINING]: 'draining',
  [wire.Phase.PHASE_STOPPING]: 'stopping',
  [wire.Phase.UNRECOGNIZED]: 'stopping',
};

function stateOf({ podId, role, epoch, phase, load }: wire.WorkerStatus, refusesCalls: boolean): PodState {
  const { running = 0, waiting = 0 } = load ?? {};
  return { podId, role: stageOf(role), epoch, phase: phases[phase], running, waiting, refusesCalls };
}
