import type { Prng } from '@tercet/base';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import type { WholeSystem } from '../serving/whole-system.js';

const roles = ['encode', 'prefill', 'decode'] as const;
type Role = (typeof roles)[number];
const wireRoles = {
  encode: wire.Role.ROLE_ENCODE,
  prefill: wire.Role.ROLE_PREFILL,
  decode: wire.Role.ROLE_DECODE,
};
const directions = roles.flatMap((from) => roles.filter((to) => to !== from).map((to) => ({ from, to })));
const drainTimeoutMs = 10_000;

/** One switch as its caller saw it. */
export interface Switched {
  readonly from: Role;
  readonly to: Role;
  /** As the process says: until nothing ran or was lent any more, and from there until it served its new role. */
  readonly drainMs: number;
  readonly switchMs: number;
  /** From the call to the answer, which says that the new role is served. */
  readonly usableMs: number;
  readonly error?: string;
}

interface Pod {
  readonly channel: GrpcChannel;
  role: Role;
}

/** Switches one process after the other, each direction as often as the others, and never the last one of a role. */
export class Switcher implements Disposable {
  readonly #prng: Prng;
  readonly #pods: Pod[];
  readonly #done = new Map<(typeof directions)[number], number>();

  constructor(system: WholeSystem, prng: Prng) {
    this.#prng = prng;
    this.#pods = system.stages.map(({ role, endpoint }) => {
      return { channel: GrpcChannel.open(endpoint), role };
    });
  }

  async next(): Promise<Switched> {
    const possible = directions.filter(({ from }) => this.#of(from).length > 1);
    const countOf = (direction: (typeof directions)[number]) => this.#done.get(direction) ?? 0;
    const direction = possible.reduce((a, b) => (countOf(b) < countOf(a) ? b : a));
    this.#done.set(direction, countOf(direction) + 1);
    const there = this.#of(direction.from);
    return await this.#switch(there[this.#prng.nextBelow(there.length)] as Pod, direction);
  }

  [Symbol.dispose](): void {
    for (const { channel } of this.#pods) channel.close();
  }

  #of(role: Role): Pod[] {
    return this.#pods.filter((pod) => pod.role === role);
  }

  async #switch(pod: Pod, direction: { readonly from: Role; readonly to: Role }): Promise<Switched> {
    const worker = pod.channel.client(wire.WorkerDefinition);
    const startMs = performance.now();
    try {
      const expectedEpoch = (await worker.getStatus({})).epoch;
      const { role, epoch, phase, drainMs, switchMs } = await worker.setRole({
        role: wireRoles[direction.to],
        expectedEpoch,
        drainTimeoutMs,
      });
      const usableMs = performance.now() - startMs;
      if (role !== wireRoles[direction.to] || phase !== wire.Phase.PHASE_READY || epoch <= expectedEpoch) {
        throw new Error(`${wire.Role[role]} in epoch ${epoch} after a switch to ${direction.to}`);
      }
      pod.role = direction.to;
      return { ...direction, drainMs, switchMs, usableMs };
    } catch (error) {
      return { ...direction, drainMs: 0, switchMs: 0, usableMs: performance.now() - startMs, error: String(error) };
    }
  }
}
