import { stageNames } from '@tercet/allocation';
import { type Ledger, type Sleep, withoutSleep, withPause, withSleep, withWake } from './ledger.js';
import type { PodState, PoolSpec } from './pool.js';

/** What the gateways have for the model of a pool. */
export interface Demand {
  /** Requests that are served, and ones that wait for a pod. */
  readonly running: number;
  readonly held: number;
  /** Since any gateway had a request. */
  readonly idleMs: number;
}

/** `kept up` although idle: requests are expected sooner than a wake pays. */
export type SleepChange = 'fell asleep' | 'waking' | 'awake' | 'kept up';

export interface SleepInput {
  readonly ledger: Ledger;
  readonly spec: Pick<PoolSpec, 'sleep'>;
  /** `undefined` while no gateway is heard: then nobody could wake the pool, and it stays as it is. */
  readonly demand: Demand | undefined;
  readonly pods: readonly PodState[];
  readonly nowMs: number;
  /** How long there had been no request when this was asked the last time. */
  readonly idleBeforeMs?: number;
  /** A pod is being asked for something. */
  readonly isPerforming: boolean;
}

/** Believed of a wake before one was measured. */
const wakeMsDefault = 30_000;
/** Until pods that were not wanted for a moment are seen to go, or to stay. */
const lingerMs = 3000;
/** Fewer pauses that lasted this long forecast nothing. */
const pausesMin = 3;

/** From the wish for pods until they serve: the middle one of those that were measured. */
export function expectedWakeMs({ wakesMs }: Pick<Ledger, 'wakesMs'>): number {
  return middleOf(wakesMs) ?? wakeMsDefault;
}

/**
 * Whether a pool has its pods. It falls asleep when it had no request for the time that its specification says, unless
 * requests are expected sooner than a wake pays; a request wakes it. Decides and does nothing: the size of the workload
 * follows from the ledger, once that is written down.
 * @returns the ledger as it was where nothing changed
 */
export function planSleep(input: SleepInput): { readonly ledger: Ledger; readonly change?: SleepChange } {
  const { ledger, spec } = input;
  if (spec.sleep === undefined) return { ledger: withoutSleep(ledger) };
  if (ledger.sleep === undefined) return fallAsleep({ ...input, ledger: withEndedPause(input) }, spec.sleep);
  return ledger.sleep.state === 'asleep' ? wake(input, ledger.sleep) : seeAwake(input, ledger.sleep);
}

function fallAsleep({ ledger, demand, pods, nowMs, isPerforming }: SleepInput, sleep: SleepSpec): Planned {
  if (demand === undefined || isWanted(demand) || demand.idleMs < sleep.afterMs) return { ledger };
  const isBusy = pods.some(({ running, waiting }) => running + waiting > 0);
  if (isBusy || isPerforming || ledger.moves.length > 0 || !isServing(pods)) return { ledger };
  const left = expectedPauseMs(ledger, demand.idleMs);
  if (left !== undefined && left < sleep.payback * expectedWakeMs(ledger)) return { ledger, change: 'kept up' };
  const state = { state: 'asleep', sinceMs: nowMs, idleSinceMs: nowMs - demand.idleMs, wasEmpty: false } as const;
  return { ledger: withSleep(ledger, state), change: 'fell asleep' };
}

/** A pause that was long enough to sleep, and ended while the pool was awake. */
function withEndedPause({ ledger, spec: { sleep }, demand, idleBeforeMs = 0 }: SleepInput): Ledger {
  const hasEnded = demand !== undefined && demand.idleMs < idleBeforeMs;
  return hasEnded && sleep !== undefined && idleBeforeMs >= sleep.afterMs ? withPause(ledger, idleBeforeMs) : ledger;
}

/** By a request that waits, or by one that came and went since. */
function wake({ ledger, demand, pods, nowMs }: SleepInput, sleep: Sleep): Planned {
  if (demand === undefined || (!isWanted(demand) && demand.idleMs >= nowMs - sleep.sinceMs)) return { ledger };
  const woken: Sleep = { ...sleep, state: 'waking', sinceMs: nowMs, wasEmpty: pods.length === 0 };
  return { ledger: withSleep(withPause(ledger, nowMs - sleep.idleSinceMs), woken), change: 'waking' };
}

function seeAwake({ ledger, pods, nowMs }: SleepInput, sleep: Sleep): Planned {
  // Pods that had not gone when it was woken may still be told to go.
  if (!isServing(pods) || (!sleep.wasEmpty && nowMs - sleep.sinceMs < lingerMs)) return { ledger };
  const awake = withoutSleep(ledger);
  return { ledger: sleep.wasEmpty ? withWake(awake, nowMs - sleep.sinceMs) : awake, change: 'awake' };
}

/**
 * How much longer a pause that lasts already will last: the middle of what was left of earlier ones when they had
 * lasted as long. `undefined` where too few did.
 */
export function expectedPauseMs({ pausesMs }: Pick<Ledger, 'pausesMs'>, idleMs: number): number | undefined {
  const left = pausesMs.filter((pauseMs) => pauseMs > idleMs).map((pauseMs) => pauseMs - idleMs);
  return left.length < pausesMin ? undefined : middleOf(left);
}

type Planned = ReturnType<typeof planSleep>;
type SleepSpec = NonNullable<PoolSpec['sleep']>;

function isWanted({ running, held }: Demand): boolean {
  return running + held > 0;
}

function isServing(pods: readonly PodState[]): boolean {
  return stageNames.every((stage) =>
    pods.some(({ role, phase, refusesCalls }) => role === stage && phase === 'ready' && refusesCalls !== true),
  );
}

function middleOf(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
