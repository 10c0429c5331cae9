import type { CertificateFiles } from '@tercet/certificates';
import { phaseNameOf, phaseNames, type RoleName, roleNameOf, roleNames } from '@tercet/contracts';
import type { StageEngine } from '@tercet/engine';
import type { FactJournal } from '@tercet/facts';
import type { RoleHost } from '@tercet/stage';
import { ServiceMetrics, watchCertificate } from '@tercet/telemetry';
import type { TensorPlane, TensorPlaneStats } from '@tercet/tensor-plane';
import type { Stage } from './stages.js';

export interface StageMetricsOptions {
  readonly host: Pick<RoleHost<Stage>, 'state'>;
  readonly engine: Pick<StageEngine, 'descriptor' | 'load' | 'work'>;
  readonly tensors: Pick<TensorPlane, 'stats'>;
  readonly facts: Pick<FactJournal, 'resyncs'>;
  /** Absent: the process shows none. */
  readonly certificates?: Pick<CertificateFiles, 'endUnixMs'> | undefined;
}

/** The engine keeps its latest 64 steps for a reader; so often, none is missed while they take longer than 0.8 ms. */
const stepsEveryMs = 50;

/** The metrics of a stage process; what its parts know themselves is read when somebody scrapes. */
export function stageMetrics(options: StageMetricsOptions): ServiceMetrics<'stage'> {
  const { host, engine, tensors, facts, certificates } = options;
  const metrics = new ServiceMetrics('stage');
  metrics.onScrape(() => {
    const role = roleNameOf(host.state.role);
    readState(metrics, host.state, engine.descriptor.modelName);
    readEngine(metrics, engine.load(), role);
    readTensors(metrics, tensors.stats());
    for (const reason of ['first', 'restarted', 'expired', 'slow'] as const) {
      metrics.countTo('tercet_fact_resyncs_total', { reason }, facts.resyncs[reason]);
    }
  });
  if (certificates !== undefined) watchCertificate(metrics, certificates);
  return metrics;
}

/** Observes the time of every step from now on. */
export function watchSteps(
  metrics: ServiceMetrics<'stage'>,
  { work }: Pick<StageMetricsOptions['engine'], 'work'>,
): void {
  let place = work.count;
  setInterval(() => {
    const { samples, next } = work.since(place);
    place = next;
    for (const { stage, ms } of samples) metrics.observe('tercet_step_seconds', { role: stage }, ms / 1000);
  }, stepsEveryMs).unref();
}

function readState(
  metrics: ServiceMetrics<'stage'>,
  { role, epoch, phase }: RoleHost<Stage>['state'],
  model: string,
): void {
  for (const name of roleNames) {
    metrics.set('tercet_stage_role', { model, role: name }, roleNameOf(role) === name ? 1 : 0);
  }
  for (const name of phaseNames) {
    metrics.set('tercet_stage_phase', { phase: name }, phaseNameOf(phase) === name ? 1 : 0);
  }
  metrics.set('tercet_stage_epoch', {}, Number(epoch));
}

/** The load belongs to the role that the process has now; a role that it had before has none here. */
function readEngine(
  metrics: ServiceMetrics<'stage'>,
  load: ReturnType<StageEngine['load']>,
  role: RoleName | undefined,
): void {
  const gauges = {
    tercet_stage_waiting: load.waiting,
    tercet_stage_running: load.running,
    tercet_kv_blocks_used: load.kvBlocksUsed,
    tercet_kv_blocks_max: load.kvBlocksTotal,
  } as const;
  for (const [name, value] of Object.entries(gauges) as [keyof typeof gauges, number][]) {
    metrics.clear(name);
    if (role !== undefined) metrics.set(name, { role }, value);
  }
  metrics.countTo('tercet_steps_total', {}, load.steps);
  metrics.countTo('tercet_prefix_cached_tokens_total', {}, load.prefixCachedTokens);
}

function readTensors(metrics: ServiceMetrics<'stage'>, stats: TensorPlaneStats): void {
  metrics.set('tercet_leases', { state: 'open' }, stats.leases);
  metrics.set('tercet_leases', { state: 'quarantined' }, stats.quarantined);
  metrics.set('tercet_lease_bytes', { state: 'open' }, stats.leasedBytes);
  metrics.set('tercet_lease_bytes', { state: 'quarantined' }, stats.quarantinedBytes);
  for (const how of ['released', 'expired', 'failed'] as const) {
    metrics.countTo('tercet_leases_ended_total', { how }, stats[how]);
  }
  metrics.countTo('tercet_leases_refused_total', {}, stats.refused);
  const { pulls, pullsFailed, corrupt, bytesPulled } = stats;
  metrics.countTo('tercet_transfers_total', { outcome: 'ok' }, pulls - pullsFailed);
  metrics.countTo('tercet_transfers_total', { outcome: 'failed' }, pullsFailed - corrupt);
  metrics.countTo('tercet_transfers_total', { outcome: 'corrupt' }, corrupt);
  for (const path of ['shm', 'unix', 'tcp'] as const) {
    metrics.countTo('tercet_transfer_bytes_total', { path }, bytesPulled[path]);
  }
}
