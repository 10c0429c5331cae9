import { stageNames } from '@tercet/allocation';
import { type LabelsOf, metricList } from '@tercet/contracts';
import {
  type Controller,
  type Decision,
  type Finding,
  type Pass,
  type SleepChange,
  splitOf,
} from '@tercet/controller-core';
import type { ServiceMetrics } from '@tercet/telemetry';
import type { WorkerPods } from './pods/worker-pods.js';
import type { PassReport } from './reconcile.js';
import { stageOf } from './stages.js';

export interface PoolMetricsOptions {
  readonly metrics: ServiceMetrics<'controller'>;
  /** The pool among those of the process: its resource's name in a cluster, its model on one machine. */
  readonly pool: string;
  readonly controller: Pick<Controller, 'ledger' | 'lately'>;
  readonly pods: Pick<WorkerPods, 'statuses'>;
}

/** Requests of this time say how the pool does now. */
const recentMs = 60_000;

/** What the passes over one pool decided, and what came of it. */
export class PoolMetrics {
  readonly #options: PoolMetricsOptions;
  /** Decisions up to this one are counted; those of an earlier process were counted there. */
  #counted: number;

  constructor(options: PoolMetricsOptions) {
    this.#options = options;
    const { decisions } = options.controller.ledger;
    this.#counted = decisions.findLast(({ verdict }) => verdict !== undefined)?.id ?? 0;
    this.#beginAtZero();
  }

  report(report: PassReport): void {
    const { metrics, pool } = this.#options;
    metrics.observe('tercet_controller_pass_seconds', { pool }, report.tookMs / 1000);
    this.#countPass(report.kind === 'made' ? report.pass.kind : 'failed', 1);
    if (report.kind === 'made') this.#reportMade(report.pass);
  }

  sleepChanged(change: SleepChange): void {
    this.#countSleep(change, 1);
  }

  #reportMade(pass: Pass): void {
    const { metrics, pool, controller, pods } = this.#options;
    for (const finding of pass.findings) this.#countFinding(finding);
    for (const decision of pass.ledger.decisions) this.#countDecision(decision);
    const roles = pods.statuses.map(({ podId, role }) => ({ podId, role: stageOf(role) }));
    const split = splitOf(pass.ledger, roles);
    for (const role of stageNames) metrics.set('tercet_pool_pods', { pool, role }, split[role]);
    const { requests, met } = controller.lately(recentMs);
    if (requests > 0) metrics.set('tercet_pool_attainment_ratio', { pool, share: 'realised' }, met / requests);
    if (pass.proposal === undefined) return;
    const { current, target } = pass.proposal.expected;
    metrics.set('tercet_pool_attainment_ratio', { pool, share: 'expected' }, current);
    metrics.set('tercet_pool_attainment_ratio', { pool, share: 'best' }, target);
  }

  /** Counters that nobody has counted on yet: the first time is an increase like every other. */
  #beginAtZero(): void {
    const { metrics, pool } = this.#options;
    const { tercet_controller_passes_total: passes, tercet_controller_findings_total: findings } = metricList;
    for (const kind of passes.labels.kind) this.#countPass(kind, 0);
    for (const kind of findings.labels.kind) metrics.count('tercet_controller_findings_total', { pool, kind }, 0);
    for (const change of metricList.tercet_pool_sleep_changes_total.labels.change) this.#countSleep(change, 0);
    for (const verdict of metricList.tercet_controller_decisions_total.labels.verdict) {
      metrics.count('tercet_controller_decisions_total', { pool, verdict }, 0);
    }
  }

  #countPass(kind: LabelsOf<'tercet_controller_passes_total'>['kind'], by: number): void {
    const { metrics, pool } = this.#options;
    metrics.count('tercet_controller_passes_total', { pool, kind }, by);
  }

  #countSleep(change: SleepChange, by: number): void {
    const { metrics, pool } = this.#options;
    metrics.count('tercet_pool_sleep_changes_total', { pool, change }, by);
  }

  #countFinding(finding: Finding): void {
    const { metrics, pool } = this.#options;
    if ('move' in finding) {
      const { kind: outcome, move } = finding;
      const { from, to } = move;
      metrics.count('tercet_controller_moves_total', { pool, from, to, outcome });
    } else {
      metrics.count('tercet_controller_findings_total', { pool, kind: finding.kind });
    }
  }

  #countDecision({ id, verdict, expected }: Decision): void {
    if (verdict === undefined || id <= this.#counted) return;
    const { metrics, pool } = this.#options;
    this.#counted = id;
    metrics.count('tercet_controller_decisions_total', { pool, verdict: verdict.kind });
    if (verdict.kind === 'replaced') return;
    metrics.set('tercet_decision_attainment_ratio', { pool, share: 'promised' }, expected.target);
    metrics.set('tercet_decision_attainment_ratio', { pool, share: 'realised' }, verdict.realised);
    metrics.set('tercet_decision_attainment_ratio', { pool, share: 'counterfactual' }, verdict.counterfactual);
  }
}
