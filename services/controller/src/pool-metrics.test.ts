import { beforeEach, expect, test } from '@jest/globals';
import { disaggregated } from '@tercet/allocation';
import { TercetError, wire } from '@tercet/contracts';
import { type BegunMove, type Decision, emptyLedger, type Ledger, type Pass } from '@tercet/controller-core';
import { ServiceMetrics } from '@tercet/telemetry';
import { PoolMetrics } from './pool-metrics.js';
import type { PassReport } from './reconcile.js';

const { ROLE_ENCODE, ROLE_DECODE } = wire.Role;
const statuses = [
  { podId: 'a', role: ROLE_ENCODE },
  { podId: 'b', role: ROLE_DECODE },
].map((status) => wire.WorkerStatus.create(status));
const move: BegunMove = {
  podId: 'a',
  from: 'encode',
  to: 'decode',
  fromEpoch: 1n,
  begunMs: 1,
  reason: 'better',
  decision: 7,
};

let metrics: ServiceMetrics<'controller'>;
beforeEach(() => {
  metrics = new ServiceMetrics('controller');
});

function open(ledger: Ledger = emptyLedger, lately = { requests: 0, met: 0 }): PoolMetrics {
  return new PoolMetrics({ metrics, pool: 'm', controller: { ledger, lately: () => lately }, pods: { statuses } });
}

function made(more: Partial<Pass>): PassReport {
  const nothing = { kind: 'rest', asks: [], takeDowns: [], findings: [], problems: [] } as const;
  const pass: Pass = { ledger: emptyLedger, ...nothing, ...more };
  return { kind: 'made', pass, unixMs: 1, tookMs: 20 };
}

function decision(id: number, verdict: Decision['verdict']): Decision {
  const before = disaggregated(2, 1, 1);
  const expected = { current: 0.5, target: 0.9 };
  const judged = verdict === undefined ? {} : { verdict };
  return { id, begunMs: 1, before, target: before, expected, baseline: { realised: 1, simulated: 1 }, ...judged };
}

/** What was counted or measured, without what is 0. */
async function lines(name: string): Promise<string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) && !line.endsWith(' 0'));
}

test('passes count by their kind, and one that failed as such', async () => {
  const pool = open();
  pool.report(made({ kind: 'move' }));
  pool.report({ kind: 'failed', error: new TercetError('disk_full'), unixMs: 1, tookMs: 20 });
  expect(await lines('tercet_controller_passes_total')).toEqual([
    'tercet_controller_passes_total{pool="m",kind="move"} 1',
    'tercet_controller_passes_total{pool="m",kind="failed"} 1',
  ]);
  expect(await lines('tercet_controller_pass_seconds_sum')).toEqual([
    'tercet_controller_pass_seconds_sum{pool="m"} 0.04',
  ]);
});

test('that a pool falls asleep and wakes is counted by what it was', async () => {
  const pool = open();
  for (const change of ['fell asleep', 'waking', 'awake', 'fell asleep'] as const) pool.sleepChanged(change);
  expect(await lines('tercet_pool_sleep_changes_total')).toEqual([
    'tercet_pool_sleep_changes_total{pool="m",change="fell asleep"} 2',
    'tercet_pool_sleep_changes_total{pool="m",change="waking"} 1',
    'tercet_pool_sleep_changes_total{pool="m",change="awake"} 1',
  ]);
});

test('a move that is over counts by where it led and how it ended, and is no finding', async () => {
  open().report(
    made({
      findings: [
        { kind: 'moved', move },
        { kind: 'refuses its role', podId: 'b' },
      ],
    }),
  );
  expect(await lines('tercet_controller_moves_total')).toEqual([
    'tercet_controller_moves_total{pool="m",from="encode",to="decode",outcome="moved"} 1',
  ]);
  expect(await lines('tercet_controller_findings_total')).toEqual([
    'tercet_controller_findings_total{pool="m",kind="refuses its role"} 1',
  ]);
});

test('a verdict counts once, and not again after a restart', async () => {
  const kept = { kind: 'kept', realised: 0.8, counterfactual: 0.6 } as const;
  const pool = open({ ...emptyLedger, decisions: [decision(1, { kind: 'replaced' })] });
  const decisions = [decision(1, { kind: 'replaced' }), decision(2, kept), decision(3, undefined)];
  for (let pass = 0; pass < 3; pass++) pool.report(made({ ledger: { ...emptyLedger, decisions } }));
  expect(await lines('tercet_controller_decisions_total')).toEqual([
    'tercet_controller_decisions_total{pool="m",verdict="kept"} 1',
  ]);
  expect(await lines('tercet_decision_attainment_ratio')).toEqual([
    'tercet_decision_attainment_ratio{pool="m",share="promised"} 0.9',
    'tercet_decision_attainment_ratio{pool="m",share="realised"} 0.8',
    'tercet_decision_attainment_ratio{pool="m",share="counterfactual"} 0.6',
  ]);
});

test('what requests saw stands beside what the simulator expects of the pods and of the best split', async () => {
  const expected = { current: 0.5, target: 0.75 };
  const proposal = { kind: 'wait', target: disaggregated(1, 1, 2), moves: [], reason: 'once', expected } as const;
  open(emptyLedger, { requests: 8, met: 2 }).report(made({ proposal }));
  expect(await lines('tercet_pool_attainment_ratio')).toEqual([
    'tercet_pool_attainment_ratio{pool="m",share="realised"} 0.25',
    'tercet_pool_attainment_ratio{pool="m",share="expected"} 0.5',
    'tercet_pool_attainment_ratio{pool="m",share="best"} 0.75',
  ]);
});

test('a pod that moves counts where it goes', async () => {
  open().report(made({ ledger: { ...emptyLedger, moves: [move] } }));
  expect(await lines('tercet_pool_pods')).toEqual(['tercet_pool_pods{pool="m",role="decode"} 2']);
});
