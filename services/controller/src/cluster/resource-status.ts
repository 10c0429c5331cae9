import { nameOf, stageNames } from '@tercet/allocation';
import { type Decision, type Ledger, type PodState, splitOf } from '@tercet/controller-core';
import { type ConditionNow, type ServingPool, type StatusChange, selectorOf, selectorText } from '@tercet/kubernetes';
import type { PassReport } from '../reconcile.js';
import { textOf } from '../status.js';
import type { Claims } from './claims.js';

export interface StatusParts {
  readonly pool: ServingPool;
  readonly ledger: Ledger;
  readonly states: readonly PodState[];
  /** Why pods of the pool are not there, in the cluster's words. */
  readonly missing: readonly string[];
  readonly contested: Claims['contested'];
  readonly recent: { readonly requests: number; readonly met: number };
  readonly last: PassReport | undefined;
  /** Who else decides how many pods there are; `undefined` when the controller does. */
  readonly sizedBy: string | undefined;
  /** What the controller last gave the workload, and gives it now. */
  readonly givenPods: readonly number[];
}

const decisionsShown = 10;
/** Fewer requests say nothing about the objectives. */
const recentMin = 20;

/** What the resource tells of its pool, its conditions and its ledger apart. */
export function resourceStatus({ pool, ledger, states, recent, givenPods }: StatusParts): StatusChange {
  const split = splitOf(ledger, states);
  const { encode, prefill, decode } = split;
  const recorded = new Set(states.map(({ podId }) => podId));
  return {
    observedGeneration: pool.generation,
    pods: states.length,
    selector: selectorText(selectorOf(pool)),
    sleep: pool.spec.sleep && (ledger.sleep?.state ?? 'awake'),
    givenPods: [...givenPods],
    split: `${encode}/${prefill}/${decode}`,
    roles: { encode, prefill, decode },
    assignments: ledger.assignments
      .filter(({ podId }) => recorded.has(podId))
      .map(({ podId, role, epoch }) => ({ podId, role, epoch: String(epoch) })),
    attainment: recent.requests < recentMin ? undefined : Math.round((1000 * recent.met) / recent.requests) / 1000,
    decisions: ledger.decisions.slice(-decisionsShown).map(toShown),
  };
}

/** How the pool stands, in the ways in which others wait for it or are woken by it. */
export function conditionsOf(parts: StatusParts): ConditionNow[] {
  return [readyOf(parts), sloMetOf(parts), progressingOf(parts), degradedOf(parts), ownsSizeOf(parts)];
}

function readyOf({ states, missing, ledger: { sleep } }: StatusParts): ConditionNow {
  const lacking = stageNames.filter((stage) => !states.some(({ role, phase }) => role === stage && phase === 'ready'));
  if (lacking.length === 0)
    return condition('Ready', 'True', 'EveryStageServes', 'every stage has a pod that serves it');
  if (sleep?.state === 'asleep')
    return condition('Ready', 'False', 'Asleep', 'no pods: the next request wakes the pool');
  const why = missing.length === 0 ? '' : `; ${missing.join('; ')}`;
  return condition('Ready', 'False', 'StageWithoutPod', `no pod serves ${lacking.join(', ')}${why}`);
}

function sloMetOf({ recent: { requests, met }, pool: { spec } }: StatusParts): ConditionNow {
  if (requests < recentMin) return condition('SloMet', 'Unknown', 'FewRequests', `${requests} requests lately`);
  const { ttftMs, tpotMs } = spec.slo;
  const says = `${met} of ${requests} requests met ${ttftMs} ms to the first token and ${tpotMs} ms per token`;
  return met / requests >= spec.slo.attainment
    ? condition('SloMet', 'True', 'ObjectivesMet', says)
    : condition('SloMet', 'False', 'ObjectivesMissed', says);
}

function progressingOf({ ledger: { moves, sleep } }: StatusParts): ConditionNow {
  if (sleep?.state === 'waking') return condition('Progressing', 'True', 'Waking', 'pods start for requests that wait');
  if (moves.length === 0) return condition('Progressing', 'False', 'AtRest', 'no pod moves');
  const says = moves.map(({ podId, from, to, replacement }) => {
    return `${podId} from ${from} to ${to}${replacement === undefined ? '' : `, replaced: ${replacement.phase}`}`;
  });
  return condition('Progressing', 'True', 'PodsMove', says.join(', '));
}

/** One alone decides the number of pods. */
function ownsSizeOf({ sizedBy }: StatusParts): ConditionNow {
  if (sizedBy === undefined)
    return condition('OwnsSize', 'True', 'NobodyElseScales', 'the number of pods is decided here');
  const says = `${sizedBy}: the number of pods is left as it is; scale the ServingPool instead`;
  return condition('OwnsSize', 'False', 'ScaledByOthers', says);
}

function degradedOf({ pool, ledger, states, missing, contested, last }: StatusParts): ConditionNow {
  const problems: [reason: string, message: string][] = [];
  for (const { pod, owner } of contested) problems.push(['PodOfOtherPool', `pod ${pod} is of pool ${owner}`]);
  if (states.length < pool.spec.pods && ledger.sleep?.state !== 'asleep') {
    problems.push(['PodsMissing', [`${states.length} of ${pool.spec.pods} pods answer`, ...missing].join('; ')]);
  }
  for (const { podId } of states.filter(({ refusesCalls }) => refusesCalls)) {
    problems.push(['PodRefusesItsRole', `pod ${podId} refuses the calls of the role that it claims`]);
  }
  if (last?.kind === 'failed') problems.push(['PassFailed', last.error.message]);
  if (last?.kind === 'made') for (const problem of last.pass.problems) problems.push(['OutOfReach', textOf(problem)]);
  const [first] = problems;
  if (first === undefined) return condition('Degraded', 'False', 'AsSpecified', 'the pool is as it shall be');
  return condition('Degraded', 'True', first[0], problems.map(([, message]) => message).join('; '));
}

function condition(
  type: ConditionNow['type'],
  status: ConditionNow['status'],
  ...[reason, message]: [string, string]
): ConditionNow {
  return { type, status, reason, message };
}

function toShown(decision: Decision) {
  const { id, begunMs, before, target, expected, verdict, doneMs } = decision;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return {
    id,
    time: new Date(begunMs).toISOString(),
    before: nameOf(before),
    target: nameOf(target),
    state: verdict?.kind ?? (doneMs === undefined ? 'moving' : 'watching'),
    reason: `objectives expected to be met for ${percent(expected.target)}, not ${percent(expected.current)}`,
  };
}
