import type { StageName } from '@tercet/allocation';
import type { Ask } from './plan-pass.js';
import type { PodState, PoolSpec } from './pool.js';

export const testSpec: PoolSpec = {
  policy: 'auto',
  slo: { ttftMs: 1000, tpotMs: 40, attainment: 0.9 },
  least: { encode: 1, prefill: 1, decode: 1 },
  most: { encode: 9, prefill: 9, decode: 9 },
  unavailableMax: 2,
  dwellMs: 20_000,
  gainMin: 0.02,
  urgentGain: 0.05,
  drainTimeoutMs: 10_000,
  verifyMs: 30_000,
  lossMax: 0.05,
};

/** Pods that do what they are asked, in steps: they drain, they mount, they serve. */
export class FakePods {
  readonly #pods: Map<string, PodState & { readonly goal?: Pick<PodState, 'role' | 'epoch'> | undefined }>;

  constructor(roles: Readonly<Record<string, StageName | undefined>>) {
    this.#pods = new Map(
      Object.entries(roles).map(([podId, role]) => {
        const phase = role === undefined ? 'unassigned' : 'ready';
        return [podId, { podId, role, epoch: role === undefined ? 0n : 1n, phase, running: 0, waiting: 0 }];
      }),
    );
  }

  states(): PodState[] {
    return [...this.#pods.values()].map(({ goal: _, ...state }) => state);
  }

  /** Takes the ask, or refuses it as a worker does. @returns whether it was taken */
  ask({ podId, role, expectedEpoch, aboveEpoch }: Ask): boolean {
    const pod = this.#pods.get(podId);
    if (pod === undefined || pod.epoch !== expectedEpoch || pod.goal !== undefined) return false;
    if (pod.role === role && pod.epoch >= aboveEpoch) return true;
    const epoch = pod.epoch > aboveEpoch ? pod.epoch : aboveEpoch;
    this.#pods.set(podId, { ...pod, phase: 'draining', goal: { role, epoch: epoch + 1n } });
    return true;
  }

  /** The switches that run go on by one step. */
  step(): void {
    for (const pod of this.#pods.values()) {
      const { podId, goal, phase } = pod;
      if (goal === undefined) continue;
      if (phase === 'draining') this.#pods.set(podId, { ...pod, role: undefined, phase: 'mounting' });
      else this.#pods.set(podId, { ...pod, ...goal, phase: 'ready', goal: undefined });
    }
  }

  isSwitching(podId: string): boolean {
    return this.#pods.get(podId)?.goal !== undefined;
  }

  /** The process ended and began again: without a role, or with the one it was configured with. */
  restart(podId: string, role?: StageName): void {
    const phase = role === undefined ? 'unassigned' : 'ready';
    this.#pods.set(podId, { podId, role, epoch: role === undefined ? 0n : 1n, phase, running: 0, waiting: 0 });
  }

  busy(podId: string, running: number): void {
    const pod = this.#pods.get(podId);
    if (pod !== undefined) this.#pods.set(podId, { ...pod, running });
  }

  /** Whether it refuses the calls of the role that it claims. */
  refuse(podId: string, refusesCalls: boolean): void {
    const pod = this.#pods.get(podId);
    if (pod !== undefined) this.#pods.set(podId, { ...pod, refusesCalls });
  }

  remove(podId: string): void {
    this.#pods.delete(podId);
  }

  /** A pod that the cluster started, or one that is back: it has no role yet. */
  add(podId: string): void {
    if (!this.#pods.has(podId)) this.restart(podId);
  }
}
