import { nameOf, type Proposal, type Split } from '@tercet/allocation';
import type { wire } from '@tercet/contracts';
import type { Controller, Decision, Ledger, PoolSpec, Problem } from '@tercet/controller-core';
import { expectedWakeMs, splitOf } from '@tercet/controller-core';
import type { PassReporter } from './pass-reporter.js';
import type { WorkerPods } from './pods/worker-pods.js';
import type { PassReport } from './reconcile.js';
import { roleOf, stageOf } from './stages.js';

export interface PoolParts {
  readonly name: string;
  readonly model: string;
  readonly spec: PoolSpec;
  readonly controller: Pick<Controller, 'ledger' | 'lately'>;
  readonly pods: Pick<WorkerPods, 'statuses' | 'refusing'>;
  readonly last: PassReport | undefined;
  readonly reporter: Pick<PassReporter, 'counts' | 'changes'>;
}

/** Decisions that the status tells of; the ledger has more. */
const decisionsShown = 20;
/** Requests of this time say how the pool does now. */
const recentMs = 60_000;

/** How a pool stands: what it shall be, what its pods say, what was decided and why. */
export function poolStatus({ name, model, spec, controller, pods, last, reporter }: PoolParts): wire.PoolStatus {
  const { ledger } = controller;
  const { policy, slo, least, most } = spec;
  const pass = last?.kind === 'made' ? last.pass : undefined;
  const trusted = pods.statuses.filter(({ podId }) => !pods.refusing.includes(podId));
  return {
    name,
    model,
    sleep: spec.sleep && sleepOf(ledger),
    spec: { policy, ...slo, least, most },
    split: countsOf(
      splitOf(
        ledger,
        trusted.map(({ podId, role }) => ({ podId, role: stageOf(role) })),
      ),
    ),
    pods: pods.statuses.map(({ podId, role, epoch, phase }) => {
      const recorded = ledger.assignments.find((assignment) => assignment.podId === podId);
      const recordedEpoch = recorded?.epoch ?? 0n;
      return { podId, role, epoch, phase, recordedRole: roleOf(recorded?.role), recordedEpoch };
    }),
    moves: ledger.moves.map(({ podId, from, to, begunMs, reason, decision }) => {
      const begunUnixMs = unixMs(begunMs);
      return { podId, from: roleOf(from), to: roleOf(to), begunUnixMs, reason, decision: BigInt(decision) };
    }),
    decisions: ledger.decisions.slice(-decisionsShown).map(decisionToWire),
    proposal: pass?.proposal === undefined ? undefined : proposalToWire(pass.proposal),
    problems: (pass?.problems ?? []).map(textOf),
    recent: { spanMs: recentMs, ...controller.lately(recentMs) },
    lastPass: last === undefined ? undefined : passToWire(last),
    distrustedPodIds: pods.refusing,
    findings: reporter.counts,
    roleChanges: [...reporter.changes],
  };
}

function sleepOf(ledger: Ledger): wire.PoolSleep {
  const { state = 'awake', sinceMs = 0 } = ledger.sleep ?? {};
  return { state, sinceUnixMs: unixMs(sinceMs), wakeMs: expectedWakeMs(ledger) };
}

function decisionToWire(decision: Decision): wire.PoolDecision {
  const { id, begunMs, before, target, expected, baseline, verdict } = decision;
  const found = verdict === undefined || verdict.kind === 'replaced' ? undefined : verdict;
  return {
    id: BigInt(id),
    begunUnixMs: unixMs(begunMs),
    before: countsOf(before),
    target: countsOf(target),
    expectedBefore: expected.current,
    expectedAfter: expected.target,
    realisedBefore: baseline.realised,
    state: verdict?.kind ?? (decision.doneMs === undefined ? 'moving' : 'watching'),
    realisedAfter: found?.realised,
    counterfactual: found?.counterfactual,
  };
}

function proposalToWire({ kind, reason, target, expected }: Proposal): wire.PoolProposal {
  return {
    kind,
    reason,
    target: countsOf(target),
    expectedNow: expected.current,
    expectedThen: expected.target,
  };
}

function passToWire(last: PassReport): wire.LastPass {
  const kind = last.kind === 'made' ? last.pass.kind : 'failed';
  const failure = last.kind === 'failed' ? last.error.message : '';
  return { unixMs: unixMs(last.unixMs), tookMs: last.tookMs, kind, failure };
}

export function textOf(problem: Problem): string {
  const counts = ({ encode, prefill, decode }: wire.StageCounts) =>
    `${encode} encode, ${prefill} prefill, ${decode} decode`;
  switch (problem.kind) {
    case 'least above pods':
      return `there are ${problem.pods} pods, and the stages must have more: ${counts(problem.least)}`;
    case 'most below pods':
      return `there are ${problem.pods} pods, and the stages may have only: ${counts(problem.most)}`;
    case 'objectives out of reach':
      return (
        `no split meets the objectives for ${percent(problem.attainment)} of the requests: ` +
        `the best, ${nameOf(problem.split)}, meets them for ${percent(problem.best)}`
      );
    default:
      return problem satisfies never;
  }
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function countsOf({ encode, prefill, decode }: Split): wire.StageCounts {
  return { encode, prefill, decode };
}

function unixMs(ms: number): bigint {
  return BigInt(Math.round(ms));
}
