import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcServer, service } from '@tercet/grpc';
import { type MountedStage, RoleHost } from '@tercet/stage';
import { systemClock } from '@tercet/telemetry';
import { WorkerPods } from './worker-pods.js';

const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
const never = new AbortController().signal;
const drainTimeoutMs = 1000;

let folder = '';
let opened: AsyncDisposableStack;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-worker-pods-'));
  opened = new AsyncDisposableStack();
});
afterEach(async () => {
  await opened.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

/** A pod with the real gate of role and epoch, over a real socket; its stages refuse every request that they let in. */
class Pod {
  readonly endpoint: string;
  readonly host: RoleHost<MountedStage>;
  /** What it says of itself instead of the truth. */
  lie: Partial<wire.WorkerStatus> = {};
  calls = 0;

  constructor(readonly podId: string) {
    this.endpoint = `unix:${folder}/${podId}.sock`;
    const stage = { drained: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
    this.host = new RoleHost({ mount: async () => stage, epoch: 0n, clock: systemClock });
  }

  async open(role: wire.Role): Promise<this> {
    await this.host.setRole(role, 0n, never);
    const gate = this.host;
    const worker = {
      getStatus: async () => this.#says(),
      setRole: async ({ role, expectedEpoch, aboveEpoch }: wire.SetRoleRequest) => {
        gate.continueAfter(aboveEpoch);
        await gate.setRole(role, expectedEpoch, never);
        return this.#says();
      },
      drain: async () => this.#says(),
      async *watchLoad() {},
    };
    const refused = () => this.#refused();
    const streamed = async function* () {
      yield refused();
    };
    const encode = { encodeTiles: streamed, embedText: async () => refused() };
    const server = await GrpcServer.open(this.endpoint, [
      service(wire.WorkerDefinition, worker),
      service(wire.EncodeDefinition, encode, { gate, role: ROLE_ENCODE }),
      service(wire.PrefillDefinition, { prefill: streamed }, { gate, role: ROLE_PREFILL }),
      service(wire.DecodeDefinition, { decode: streamed }, { gate, role: ROLE_DECODE }),
    ]);
    opened.use(server);
    return this;
  }

  #refused(): never {
    this.calls++;
    throw new TercetError('invalid_request', { missing: 'sampling' });
  }

  #says(): wire.WorkerStatus {
    return wire.WorkerStatus.fromPartial({ podId: this.podId, model: 'm', ...this.host.state, ...this.lie });
  }
}

async function openPod(podId: string, role: wire.Role): Promise<Pod> {
  return await new Pod(podId).open(role);
}

function podsOf(...pods: readonly { readonly endpoint: string }[]): WorkerPods {
  return opened.use(new WorkerPods({ model: 'm', endpoints: pods.map(({ endpoint }) => endpoint) }));
}

describe('the pods of a pool, over their control calls', () => {
  test.each([ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE])(
    'one that serves the role %d is believed after one call',
    async (role) => {
      const pod = await openPod('p', role);
      const pods = podsOf(pod);
      for (let i = 0; i < 3; i++) {
        expect(await pods.states(never)).toMatchObject([
          { podId: 'p', epoch: 1n, phase: 'ready', refusesCalls: false },
        ]);
      }
      expect([pod.calls, pods.refusing]).toEqual([1, []]);
    },
  );

  test.each([
    { claims: 'another role than it serves', lie: { role: ROLE_DECODE } },
    { claims: 'another epoch than it is in', lie: { epoch: 9n } },
  ])('one that claims $claims is found out, and believed again when it stops', async ({ lie }) => {
    const pod = await openPod('p', ROLE_PREFILL);
    pod.lie = lie;
    const pods = podsOf(pod);
    expect(await pods.states(never)).toMatchObject([{ podId: 'p', refusesCalls: true }]);
    expect(pods.refusing).toEqual(['p']);
    pod.lie = {};
    expect(await pods.states(never)).toMatchObject([{ role: 'prefill', epoch: 1n, refusesCalls: false }]);
    expect(pods.refusing).toEqual([]);
  });

  test('one that moves to another role does so above the epoch that was recorded', async () => {
    const pod = await openPod('p', ROLE_PREFILL);
    const pods = podsOf(pod);
    await pods.states(never);
    await pods.setRole({ podId: 'p', role: 'decode', expectedEpoch: 1n, aboveEpoch: 6n, drainTimeoutMs }, never);
    expect(await pods.states(never)).toMatchObject([{ role: 'decode', epoch: 7n, refusesCalls: false }]);
  });

  test.each([
    { says: 'its old role', lie: { role: ROLE_PREFILL } },
    { says: 'an epoch that is not later', lie: { epoch: 1n } },
    { says: 'that it is not ready', lie: { phase: wire.Phase.PHASE_MOUNTING } },
  ])('one that says $says after a move has not moved', async ({ lie }) => {
    const pod = await openPod('p', ROLE_PREFILL);
    const pods = podsOf(pod);
    await pods.states(never);
    pod.lie = lie;
    const ask = { podId: 'p', role: 'decode', expectedEpoch: 1n, aboveEpoch: 1n, drainTimeoutMs } as const;
    await expect(pods.setRole(ask, never)).rejects.toMatchObject({ code: 'role_switch_failed' });
  });

  test('one that does not answer, or serves another model, is not among them', async () => {
    const other = await openPod('other', ROLE_DECODE);
    other.lie = { model: 'another' };
    const pods = podsOf(other, { endpoint: `unix:${folder}/none.sock` }, await openPod('p', ROLE_ENCODE));
    expect((await pods.states(never)).map(({ podId }) => podId)).toEqual(['p']);
    const ask = { podId: 'other', role: 'encode', expectedEpoch: 1n, aboveEpoch: 1n, drainTimeoutMs } as const;
    await expect(pods.setRole(ask, never)).rejects.toMatchObject({ code: 'no_pod' });
  });
});
