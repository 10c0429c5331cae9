import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { type MountedStage, RoleHost, type RoleState } from './role-host.js';

const { ROLE_UNSPECIFIED, ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
const { PHASE_UNASSIGNED, PHASE_MOUNTING, PHASE_READY, PHASE_DRAINING, PHASE_STOPPING } = wire.Phase;
const patient = new AbortController().signal;

class FakeStage implements MountedStage {
  readonly role: wire.Role;
  drainedBy: 'nothing' | 'itself' | 'signal' = 'nothing';
  isDisposed = false;
  readonly lent = Promise.withResolvers<void>();

  constructor(role: wire.Role, lends = false) {
    this.role = role;
    if (!lends) this.lent.resolve();
  }

  async drained(signal: AbortSignal): Promise<void> {
    const cut = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.drainedBy = await Promise.race([
      this.lent.promise.then(() => 'itself' as const),
      cut.then(() => 'signal' as const),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
  }
}

function hostOf(options: { mount?: (role: wire.Role) => Promise<FakeStage>; epoch?: bigint } = {}) {
  const stages: FakeStage[] = [];
  const phases: RoleState[] = [];
  const time = { ms: 0 };
  const plain = async (role: wire.Role) => new FakeStage(role);
  const host = new RoleHost<FakeStage>({
    epoch: options.epoch ?? 0n,
    clock: { nowMs: () => time.ms, unixMs: () => time.ms },
    mount: async (role) => {
      const stage = await (options.mount ?? plain)(role);
      stages.push(stage);
      return stage;
    },
    onChange: (state) => phases.push(state),
  });
  return { host, stages, phases, time };
}

function contextOf({ role, epoch }: RoleState, more: Partial<wire.CallContext> = {}): wire.CallContext {
  return wire.CallContext.create({ requestId: 'r', attempt: 1, role, epoch, ...more });
}

describe('RoleHost', () => {
  test('goes through all roles; each switch drains, unmounts, mounts and takes a new epoch', async () => {
    const { host, stages, phases } = hostOf({ epoch: 7n });
    for (const role of [ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE, ROLE_UNSPECIFIED, ROLE_ENCODE]) {
      const { epoch } = host.state;
      const after = await host.setRole(role, epoch, patient);
      const phase = role === ROLE_UNSPECIFIED ? PHASE_UNASSIGNED : PHASE_READY;
      expect(after).toEqual({ role, epoch: epoch + 1n, phase });
    }
    expect(stages.map(({ isDisposed }) => isDisposed)).toEqual([true, true, true, false]);
    expect(host.stage).toBe(stages[3]);
    expect(phases.slice(0, 5).map(({ phase }) => phase)).toEqual([
      ...[PHASE_MOUNTING, PHASE_READY],
      ...[PHASE_DRAINING, PHASE_MOUNTING, PHASE_READY],
    ]);
  });

  test('tells how long the last switch drained, and how long it took from there', async () => {
    const { host, stages, time } = hostOf({
      mount: async (role) => {
        time.ms += 7;
        return new FakeStage(role);
      },
    });
    expect(host.lastSwitch).toEqual({ drainMs: 0, switchMs: 0 });
    await host.setRole(ROLE_PREFILL, 0n, patient);
    expect(host.lastSwitch).toEqual({ drainMs: 0, switchMs: 7 });
    const call = host.enter(contextOf(host.state), ROLE_PREFILL);
    const switching = host.setRole(ROLE_DECODE, 1n, patient);
    time.ms += 40;
    call[Symbol.dispose]();
    stages[0]?.lent.resolve();
    await switching;
    expect(host.lastSwitch).toEqual({ drainMs: 40, switchMs: 7 });
  });

  test('asking for the role that is there changes nothing', async () => {
    const { host, stages } = hostOf();
    const ready = await host.setRole(ROLE_PREFILL, 0n, patient);
    expect(await host.setRole(ROLE_PREFILL, ready.epoch, patient)).toBe(ready);
    expect(stages).toHaveLength(1);
  });

  test('epochs go on above what was recorded of a process that was started again', async () => {
    const { host } = hostOf();
    host.continueAfter(7n);
    const ready = await host.setRole(ROLE_PREFILL, 0n, patient);
    expect(ready.epoch).toBe(8n);
    host.continueAfter(3n);
    expect(await host.setRole(ROLE_PREFILL, 8n, patient)).toBe(ready);
    host.continueAfter(20n);
    expect(await host.setRole(ROLE_PREFILL, 8n, patient)).toMatchObject({ role: ROLE_PREFILL, epoch: 21n });
  });

  test('a call with another role or epoch is refused, and so is one without a context', async () => {
    const { host } = hostOf();
    expect(() => host.enter(contextOf(host.state), ROLE_PREFILL)).toThrow(refusal('epoch_stale'));
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    expect(() => host.enter(contextOf(state, { epoch: 0n }), ROLE_PREFILL)).toThrow(refusal('epoch_stale'));
    expect(() => host.enter(contextOf(state, { role: ROLE_DECODE }), ROLE_PREFILL)).toThrow(refusal('epoch_stale'));
    expect(() => host.enter(contextOf(state), ROLE_DECODE)).toThrow(refusal('epoch_stale'));
    expect(() => host.enter(undefined, ROLE_PREFILL)).toThrow(refusal('invalid_request'));
    using _call = host.enter(contextOf(state), ROLE_PREFILL);
    expect(host.runningCalls).toBe(1);
  });

  test('a switch waits for running calls and what they lent, and lets no new ones in', async () => {
    const { host, stages } = hostOf({ mount: async (role) => new FakeStage(role, role === ROLE_PREFILL) });
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    const call = host.enter(contextOf(state), ROLE_PREFILL);
    const moved = host.setRole(ROLE_DECODE, state.epoch, patient);
    await turn();
    expect(host.state.phase).toBe(PHASE_DRAINING);
    expect(() => host.enter(contextOf(state), ROLE_PREFILL)).toThrow(refusal('draining'));
    call[Symbol.dispose]();
    await turn();
    expect(host.state.phase).toBe(PHASE_DRAINING);
    stages[0]?.lent.resolve();
    expect(await moved).toMatchObject({ role: ROLE_DECODE, epoch: state.epoch + 1n, phase: PHASE_READY });
    expect([stages[0]?.drainedBy, call.signal.aborted]).toEqual(['itself', false]);
  });

  test('when patience ends, calls fail with draining and what is lent is taken back', async () => {
    const { host, stages } = hostOf({ mount: async (role) => new FakeStage(role, true) });
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    const call = host.enter(contextOf(state), ROLE_PREFILL);
    call.signal.addEventListener('abort', () => call[Symbol.dispose]());
    const impatient = new AbortController();
    const moved = host.setRole(ROLE_DECODE, state.epoch, impatient.signal);
    impatient.abort();
    await moved;
    expect(call.signal.reason).toMatchObject({ code: 'draining' });
    expect([stages[0]?.drainedBy, stages[0]?.isDisposed]).toEqual(['signal', true]);
  });

  test('of two switches that saw the same epoch one happens', async () => {
    const { host } = hostOf();
    const both = await Promise.allSettled([
      host.setRole(ROLE_ENCODE, 0n, patient),
      host.setRole(ROLE_DECODE, 0n, patient),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(both[1]).toMatchObject({ reason: { code: 'role_switch_failed' } });
    await expect(host.setRole(ROLE_DECODE, 0n, patient)).rejects.toMatchObject({ code: 'epoch_stale' });
    await expect(host.setRole(9 as wire.Role, 1n, patient)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a role that cannot be mounted leaves none, under a new epoch, and another can follow', async () => {
    const { host } = hostOf({
      mount: async (role) => {
        if (role === ROLE_DECODE) throw new Error('no');
        return new FakeStage(role);
      },
    });
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    await expect(host.setRole(ROLE_DECODE, state.epoch, patient)).rejects.toMatchObject({ code: 'role_switch_failed' });
    expect(host.state).toEqual({ role: ROLE_UNSPECIFIED, epoch: state.epoch + 1n, phase: PHASE_UNASSIGNED });
    expect(() => host.enter(contextOf(state), ROLE_PREFILL)).toThrow(refusal('epoch_stale'));
    expect((await host.setRole(ROLE_ENCODE, host.state.epoch, patient)).phase).toBe(PHASE_READY);
  });

  test('a stop during a mount leaves nothing mounted', async () => {
    const gate = Promise.withResolvers<void>();
    const { host, stages } = hostOf({ mount: (role) => gate.promise.then(() => new FakeStage(role)) });
    const moving = host.setRole(ROLE_DECODE, 0n, patient);
    await turn();
    await host.stop(patient);
    gate.resolve();
    await expect(moving).rejects.toMatchObject({ code: 'role_switch_failed' });
    expect(host.state.phase).toBe(PHASE_STOPPING);
    expect([stages[0]?.isDisposed, host.stage]).toEqual([true, undefined]);
  });

  test('a stop during a drain wins over the switch', async () => {
    const { host, stages } = hostOf();
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    const call = host.enter(contextOf(state), ROLE_PREFILL);
    const moving = host.setRole(ROLE_DECODE, state.epoch, patient);
    const stopped = host.stop(patient);
    call[Symbol.dispose]();
    await expect(moving).rejects.toMatchObject({ code: 'role_switch_failed' });
    await stopped;
    expect([host.state.phase, stages.length, stages[0]?.isDisposed]).toEqual([PHASE_STOPPING, 1, true]);
    await expect(host.setRole(ROLE_ENCODE, host.state.epoch, patient)).rejects.toMatchObject({
      code: 'role_switch_failed',
    });
  });

  test('drain refuses calls and returns when idle, or when its signal aborts', async () => {
    const { host } = hostOf();
    const state = await host.setRole(ROLE_PREFILL, 0n, patient);
    const call = host.enter(contextOf(state), ROLE_PREFILL);
    const impatient = new AbortController();
    const drained = host.drain(impatient.signal);
    impatient.abort();
    expect((await drained).phase).toBe(PHASE_DRAINING);
    expect(call.signal.aborted).toBe(false);
    call[Symbol.dispose]();
    expect((await host.drain(patient)).phase).toBe(PHASE_DRAINING);
  });
});

function refusal(code: string) {
  return expect.objectContaining({ code });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
