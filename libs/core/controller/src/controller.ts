import {
  type FleetShape,
  type PerStage,
  Planner,
  type Simulation,
  type Split,
  type StageName,
  simulationHere,
} from '@tercet/allocation';
import type { Clock } from '@tercet/base';
import { emptyLedger, type Ledger } from './ledger.js';
import { type Outcome, Outcomes } from './outcomes.js';
import { type Ask, askOf, type Pass, planPass } from './plan-pass.js';
import { planWish, type Wish } from './plan-wish.js';
import { type PodState, type PoolSpec, splitOf } from './pool.js';
import { replacementPrices, type SurgeRoom } from './replacement.js';
import { expectedWakeMs, planSleep, type SleepChange, type SleepInput } from './sleep.js';

/** The pods of a pool, wherever they run. */
export interface Pods {
  states(signal: AbortSignal): Promise<PodState[]>;
  /** Resolves when the pod serves its new role. @throws epoch_stale, role_switch_failed, no_pod */
  setRole(ask: Ask & { readonly drainTimeoutMs: number }, signal: AbortSignal): Promise<void>;
  /** Where pods can be replaced now; absent where none can be. */
  room?(spec: PoolSpec): SurgeRoom | undefined;
  /** The pod drains, goes and is started again; may be asked again. @throws no_pod, and what its cluster says */
  takeDown?(podId: string, signal: AbortSignal): Promise<void>;
}

/** Where the ledger is kept over a crash. */
export interface LedgerStore {
  load(): Promise<Ledger | undefined>;
  save(ledger: Ledger): Promise<void>;
}

export interface ControllerOptions {
  readonly spec: PoolSpec;
  readonly pods: Pods;
  readonly store: LedgerStore;
  /** What is believed of the pods before anything was measured. */
  readonly shape: FleetShape;
  /** Nothing is proposed before the stages that requests use were measured. */
  readonly mustBeMeasured?: boolean;
  /** From the end of a drain until the pod serves its new stage, and what its lost caches cost. */
  readonly switchMs: PerStage<number>;
  /** Where requests are replayed; by default on the caller's thread. */
  readonly simulation?: Simulation;
  readonly clock: Clock;
  /** An ask that a pod refused, or that ended badly. The next pass sees how things are. */
  onFailure(ask: Pick<Ask, 'podId'> & Partial<Ask>, error: unknown): void;
}

/**
 * Runs a pool: hears what workers and gateways report, gives roles back, moves pods to the stages that need them, and
 * takes back what did not help. What it is about to do is written down before a pod is asked, so that the next one
 * knows it after a crash.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #planner: Planner;
  readonly #simulation: Simulation;
  readonly #outcomes = new Outcomes();
  readonly #performing = new Map<string, Promise<void>>();
  #ledger: Ledger;
  #turn: Promise<unknown> = Promise.resolve();
  /** How long there had been no request when it was told the last time. */
  #idleMs = 0;

  private constructor(options: ControllerOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
    const { shape, spec, mustBeMeasured = false, simulation = simulationHere } = options;
    this.#simulation = simulation;
    this.#planner = new Planner({ shape, slo: spec.slo, mustBeMeasured });
  }

  static async open(options: ControllerOptions): Promise<Controller> {
    return new Controller(options, (await options.store.load()) ?? emptyLedger);
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** A batch, an image or a step that a pod reported; features as the cost model has them. */
  heardWork(stage: StageName, features: readonly number[], ms: number): void {
    this.#planner.addWork(stage, features, ms);
  }

  /** A request that ended. How long its answer is was not known before, so it counts for the plan from now on. */
  heardOutcome(outcome: Outcome): void {
    this.#outcomes.add(outcome);
    const { request } = outcome;
    if (request !== undefined) this.#planner.addRequest({ ...request, arrivalMs: this.#options.clock.unixMs() });
  }

  /** Requests that came within this time until now and have ended, and how many of them met the objectives. */
  lately(spanMs: number): { readonly requests: number; readonly met: number } {
    const { clock, spec } = this.#options;
    return this.#outcomes.lately(clock.unixMs() - spanMs, spec.slo);
  }

  /** @throws what the store throws: then nothing was asked of anybody */
  pass(signal: AbortSignal): Promise<Pass> {
    return this.#inTurn(() => this.#pass(signal));
  }

  /**
   * Moves the pod that a person names. Resolves when it serves its new role.
   * @throws invalid_request, epoch_stale, role_switch_failed, and what the store and the pod throw
   */
  async setRole(wish: Wish, signal: AbortSignal): Promise<void> {
    const asked = await this.#inTurn(async () => {
      const { spec, pods, store, clock } = this.#options;
      const states = await pods.states(signal);
      const situation = { ledger: this.#ledger, pods: states, spec, nowMs: clock.unixMs(), room: pods.room?.(spec) };
      const wished = planWish({ ...situation, performing: new Set(this.#performing.keys()) }, wish);
      if (wished === undefined) return undefined;
      await store.save(wished.ledger);
      this.#ledger = wished.ledger;
      // One that is replaced goes on pass by pass.
      if (wished.move.replacement !== undefined) return undefined;
      return { performed: this.#perform(askOf(wished.move), signal) };
    });
    await asked?.performed;
  }

  async #pass(signal: AbortSignal): Promise<Pass> {
    const { spec, pods, store, clock, onFailure } = this.#options;
    const states = await pods.states(signal);
    const nowMs = clock.unixMs();
    const pass = await planPass({
      ledger: this.#ledger,
      pods: states,
      spec,
      nowMs,
      performing: new Set(this.#performing.keys()),
      room: pods.room?.(spec),
      propose: async (situation) => {
        const waiting = this.#waiting(states);
        const { switchMs } = this.#options;
        const replaceMs = replacementPrices(spec, expectedWakeMs(this.#ledger));
        const input = this.#planner.inputFor({ ...situation, waiting, switchMs, replaceMs });
        return input && this.#planner.concluded(await this.#simulation.propose(input));
      },
      baseline: async () => {
        const found = await this.#judged(nowMs - spec.verifyMs, splitOf(this.#ledger, states));
        return found ?? { realised: 1, simulated: 1 };
      },
      judge: async ({ doneMs = nowMs, before, baseline }) => {
        const found = await this.#judged(doneMs, before);
        if (found === undefined) return undefined;
        // What the simulator says is off by what it was off before the move.
        const off = baseline.realised - baseline.simulated;
        return { realised: found.realised, counterfactual: Math.min(1, Math.max(0, found.simulated + off)) };
      },
    });
    if (pass.ledger !== this.#ledger) await store.save(pass.ledger);
    this.#ledger = pass.ledger;
    for (const ask of pass.asks) this.#perform(ask, signal).catch(() => undefined);
    for (const podId of pass.takeDowns) {
      await pods.takeDown?.(podId, signal).catch((error: unknown) => onFailure({ podId }, error));
    }
    return pass;
  }

  /**
   * Whether the pool sleeps, after it was told what there is to do; what follows is written down first.
   * @throws what the store throws: then nothing changed
   */
  tendSleep({ demand, pods }: Pick<SleepInput, 'demand' | 'pods'>): Promise<SleepChange | undefined> {
    return this.#inTurn(async () => {
      const { spec, store, clock } = this.#options;
      const isPerforming = this.#performing.size > 0;
      const situation = { demand, pods, spec, nowMs: clock.unixMs(), isPerforming, idleBeforeMs: this.#idleMs };
      const { ledger, change } = planSleep({ ...situation, ledger: this.#ledger });
      if (ledger !== this.#ledger) await store.save(ledger);
      this.#ledger = ledger;
      this.#idleMs = demand?.idleMs ?? this.#idleMs;
      return change;
    });
  }

  /** Resolves when no pod is being asked. */
  async settled(): Promise<void> {
    await Promise.all(this.#performing.values());
  }

  /** A failure is told to `onFailure` as well as to the caller. */
  #perform(ask: Ask, signal: AbortSignal): Promise<void> {
    const { pods, spec, onFailure } = this.#options;
    const asked = pods.setRole({ ...ask, drainTimeoutMs: spec.drainTimeoutMs }, signal);
    const settled = asked
      .catch((error: unknown) => onFailure(ask, error))
      .finally(() => this.#performing.delete(ask.podId));
    this.#performing.set(ask.podId, settled);
    return asked;
  }

  /** One after the other: what the one writes down, the next finds. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Share that met the objectives since, and what the simulator says of the same requests under a split. */
  async #judged(fromMs: number, split: Split) {
    const { slo } = this.#options.spec;
    const found = this.#outcomes.since(fromMs, slo);
    if (found === undefined) return undefined;
    const work = { trace: found.trace, shape: this.#planner.shape(), slo };
    return { realised: found.realised, simulated: await this.#simulation.attainment(work, split) };
  }

  /** Requests that wait for encode or prefill. */
  #waiting(states: readonly PodState[]): number {
    return states.reduce((sum, { role, waiting }) => sum + (role === 'decode' ? 0 : waiting), 0);
  }
}
