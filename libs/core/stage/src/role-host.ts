import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';

/** What a role puts into the process, and takes out again when the role goes. */
export interface MountedStage extends AsyncDisposable {
  /** Resolves when others need nothing of it any more; when the signal aborts, it takes back what is still lent. */
  drained(signal: AbortSignal): Promise<void>;
}

export interface RoleState {
  readonly role: wire.Role;
  readonly epoch: bigint;
  readonly phase: wire.Phase;
}

export interface RoleHostOptions<Stage extends MountedStage> {
  /** Makes the stage of a role; the engine behind it stays loaded over all of them. */
  mount(role: wire.Role): Promise<Stage>;
  /** Epoch to begin with: the recorded one of a process that was restarted, else 0. */
  readonly epoch: bigint;
  readonly clock: Clock;
  onChange?(state: RoleState): void;
}

/** How long a switch took. */
export interface SwitchTimes {
  /** Until nothing ran or was lent any more. */
  readonly drainMs: number;
  /** From there until the new role served. */
  readonly switchMs: number;
}

interface Ticket {
  readonly abort: AbortController;
}

const roles = [wire.Role.ROLE_UNSPECIFIED, wire.Role.ROLE_ENCODE, wire.Role.ROLE_PREFILL, wire.Role.ROLE_DECODE];

/**
 * Which stage this process is, and who may call it. A switch is: drain, unmount, mount, new epoch. A call enters with
 * the role and epoch that its plan saw, so none ever runs on another stage than the one it was planned for.
 */
export class RoleHost<Stage extends MountedStage> {
  readonly #options: RoleHostOptions<Stage>;
  readonly #tickets = new Set<Ticket>();
  #state: RoleState;
  #stage: Stage | undefined;
  #switching = false;
  #recordedEpoch = 0n;
  #lastSwitch: SwitchTimes = { drainMs: 0, switchMs: 0 };
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: RoleHostOptions<Stage>) {
    this.#options = options;
    this.#state = { role: wire.Role.ROLE_UNSPECIFIED, epoch: options.epoch, phase: wire.Phase.PHASE_UNASSIGNED };
  }

  get state(): RoleState {
    return this.#state;
  }

  /** Zeros before the first one. */
  get lastSwitch(): SwitchTimes {
    return this.#lastSwitch;
  }

  get runningCalls(): number {
    return this.#tickets.size;
  }

  /** The stage of the current role. A call that entered finds it there until its ticket ends. */
  get stage(): Stage | undefined {
    return this.#stage;
  }

  /**
   * Lets a call in, or refuses it before it did anything.
   * @throws epoch_stale, draining, invalid_request without a context
   */
  enter(context: wire.CallContext | undefined, role: wire.Role): { readonly signal: AbortSignal } & Disposable {
    if (context === undefined) throw new TercetError('invalid_request', { missing: 'context' });
    const { phase, epoch, role: current } = this.#state;
    if (phase === wire.Phase.PHASE_DRAINING || phase === wire.Phase.PHASE_STOPPING) {
      throw new TercetError('draining', { role: roleName(current), epoch });
    }
    if (phase !== wire.Phase.PHASE_READY || role !== current || context.role !== role || context.epoch !== epoch) {
      const asked = { askedRole: roleName(role), askedEpoch: context.epoch };
      throw new TercetError('epoch_stale', { ...asked, role: roleName(current), epoch });
    }
    const ticket: Ticket = { abort: new AbortController() };
    this.#tickets.add(ticket);
    return { signal: ticket.abort.signal, [Symbol.dispose]: () => this.#leave(ticket) };
  }

  /** What somebody recorded of this pod before its process was started again: epochs that it takes are above it. */
  continueAfter(epoch: bigint): void {
    this.#recordedEpoch = later(epoch, this.#recordedEpoch);
  }

  /**
   * Takes another role. Running calls finish until the signal aborts; then they fail with `draining`, to be planned
   * again elsewhere. Asking for the role that is there changes nothing, unless its epoch is below the recorded one.
   * @throws epoch_stale when another switch came first, role_switch_failed, invalid_request
   */
  async setRole(role: wire.Role, expectedEpoch: bigint, drainSignal: AbortSignal): Promise<RoleState> {
    const { epoch, phase } = this.#state;
    if (!roles.includes(role)) throw new TercetError('invalid_request', { role });
    if (expectedEpoch !== epoch) throw new TercetError('epoch_stale', { epoch, expectedEpoch });
    if (this.#switching || phase === wire.Phase.PHASE_STOPPING) {
      throw new TercetError('role_switch_failed', { reason: 'another switch runs or the process stops', epoch });
    }
    const isThere = role === this.#state.role && phase === wire.Phase.PHASE_READY;
    if (isThere && epoch >= this.#recordedEpoch) return this.#state;
    this.#switching = true;
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    try {
      await this.#drainForSwitch(drainSignal);
      const drainedMs = clock.nowMs();
      await this.#unmount();
      const state = await this.#mount(role);
      this.#lastSwitch = { drainMs: drainedMs - startMs, switchMs: clock.nowMs() - drainedMs };
      return state;
    } finally {
      this.#switching = false;
    }
  }

  /** Takes no new calls; resolves when the running ones and what they lent are done, or when the signal aborts. */
  async drain(signal: AbortSignal): Promise<RoleState> {
    if (this.#state.phase === wire.Phase.PHASE_READY) this.#change({ phase: wire.Phase.PHASE_DRAINING });
    const aborted = Promise.withResolvers<void>();
    const onAbort = () => aborted.resolve();
    if (signal.aborted) return this.#state;
    signal.addEventListener('abort', onAbort, { once: true });
    await Promise.race([this.#whenIdle().then(() => this.#stage?.drained(neverAborts())), aborted.promise]);
    signal.removeEventListener('abort', onAbort);
    return this.#state;
  }

  /** The end of the process: drains, and cuts what is left when the signal aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#change({ phase: wire.Phase.PHASE_STOPPING });
    await this.#drainAndCut(signal);
    await this.#stage?.[Symbol.asyncDispose]();
    this.#stage = undefined;
  }

  async #drainForSwitch(signal: AbortSignal): Promise<void> {
    if (this.#stage === undefined) return;
    this.#change({ phase: wire.Phase.PHASE_DRAINING });
    await this.#drainAndCut(signal);
  }

  async #unmount(): Promise<void> {
    const stage = this.#stage;
    this.#stage = undefined;
    await stage?.[Symbol.asyncDispose]();
  }

  async #mount(role: wire.Role): Promise<RoleState> {
    this.#refuseWhenStopping(role);
    const epoch = later(this.#state.epoch, this.#recordedEpoch) + 1n;
    if (role === wire.Role.ROLE_UNSPECIFIED) return this.#change({ role, epoch, phase: wire.Phase.PHASE_UNASSIGNED });
    this.#change({ role: wire.Role.ROLE_UNSPECIFIED, phase: wire.Phase.PHASE_MOUNTING });
    let stage: Stage;
    try {
      stage = await this.#options.mount(role);
    } catch (error) {
      this.#refuseWhenStopping(role);
      this.#change({ epoch, phase: wire.Phase.PHASE_UNASSIGNED });
      throw new TercetError('role_switch_failed', { role: roleName(role), epoch }, { cause: error });
    }
    if (this.#isStopping) await stage[Symbol.asyncDispose]();
    this.#refuseWhenStopping(role);
    this.#stage = stage;
    return this.#change({ role, epoch, phase: wire.Phase.PHASE_READY });
  }

  get #isStopping(): boolean {
    return this.#state.phase === wire.Phase.PHASE_STOPPING;
  }

  /** @throws role_switch_failed: the process began to stop while the switch ran */
  #refuseWhenStopping(role: wire.Role): void {
    if (!this.#isStopping) return;
    throw new TercetError('role_switch_failed', { role: roleName(role), reason: 'the process stops' });
  }

  async #drainAndCut(signal: AbortSignal): Promise<void> {
    const { role, epoch } = this.#state;
    const cut = () => {
      for (const { abort } of this.#tickets) abort.abort(new TercetError('draining', { role: roleName(role), epoch }));
    };
    if (signal.aborted) cut();
    else signal.addEventListener('abort', cut, { once: true });
    await this.#whenIdle();
    signal.removeEventListener('abort', cut);
    await this.#stage?.drained(signal);
  }

  #whenIdle(): Promise<void> {
    if (this.#tickets.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }

  #leave(ticket: Ticket): void {
    this.#tickets.delete(ticket);
    if (this.#tickets.size > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #change(change: Partial<RoleState>): RoleState {
    this.#state = { ...this.#state, ...change };
    this.#options.onChange?.(this.#state);
    return this.#state;
  }
}

/** As it stands in the protobuf file. */
function roleName(role: wire.Role): string {
  return wire.Role[role];
}

function later(a: bigint, b: bigint): bigint {
  return b > a ? b : a;
}

function neverAborts(): AbortSignal {
  return new AbortController().signal;
}
