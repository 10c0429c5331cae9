import { errorTable } from '@tercet/contracts';
import { is, isNot, oneOf, PromQl } from '@tercet/promql';
import type { Alert } from './alert.js';

const promql = new PromQl({ window: '5m', labels: {} });
const perModel = ['namespace', 'model'];
const perPod = ['namespace', 'pod'];
const perPool = ['namespace', 'pool'];
const takenBack = { verdict: is('taken back') };
const perRole = ['namespace', 'role'];

/** A failure of the system, and not of the request; refusals for want of capacity have an alert of their own. */
const faults = Object.entries(errorTable).flatMap(([code, { http }]) =>
  http >= 500 && code !== 'no_pod' ? [code] : [],
);

/** Error budget is what the SLO leaves; a burn rate of 1 uses it up in exactly the period that the SLO is for. */
function burns(factor: number, windows: readonly [long: string, short: string]): string {
  const budget = `(1 - ${promql.max('tercet_slo_attainment_ratio', ['namespace'])})`;
  const over = (window: string) => {
    const scoped = promql.over(window);
    const missed = scoped.rate('tercet_slo_requests_total', perModel, { result: is('missed') });
    return (
      `${missed} / ${scoped.rate('tercet_slo_requests_total', perModel)} ` +
      `> on (namespace) group_left () (${factor} * ${budget})`
    );
  };
  return windows.map((window) => `(${over(window)})`).join(' and ');
}

const users: Alert[] = [
  {
    name: 'TercetGatewayAbsent',
    severity: 'critical',
    expr: `absent(${promql.series('tercet_requests_running_max')})`,
    for: '2m',
    summary: 'No gateway answers a scrape: nobody can be served, or nobody can see it.',
  },
  {
    name: 'TercetNoPod',
    severity: 'critical',
    expr: `${promql.max('tercet_pods', ['namespace', 'model', 'role'])} == 0`,
    for: '1m',
    summary: 'No {{ $labels.role }} pod is ready for {{ $labels.model }}: requests wait, then fail with no_pod.',
  },
  {
    name: 'TercetSloBurnFast',
    severity: 'critical',
    expr: burns(14.4, ['1h', '5m']),
    for: '2m',
    summary: '{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} miss their SLO.',
  },
  {
    name: 'TercetSloBurnSlow',
    severity: 'warning',
    expr: burns(6, ['6h', '30m']),
    for: '15m',
    summary:
      '{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} have missed their SLO for hours.',
  },
  {
    name: 'TercetErrors',
    severity: 'critical',
    expr:
      `${promql.rate('tercet_requests_total', perModel, { outcome: oneOf(faults) })} / ` +
      `${promql.rate('tercet_requests_total', perModel)} > 0.02`,
    for: '5m',
    summary: '{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} fail.',
  },
  {
    name: 'TercetOverloaded',
    severity: 'warning',
    expr:
      `${promql.rate('tercet_requests_total', perModel, { outcome: oneOf(['overloaded', 'no_pod']) })} / ` +
      `${promql.rate('tercet_requests_total', perModel)} > 0.05`,
    for: '10m',
    summary:
      '{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} are refused for want of capacity.',
  },
  {
    name: 'TercetNearLimit',
    severity: 'warning',
    expr:
      `${promql.sum('tercet_requests_running', ['namespace'])} / ` +
      `${promql.sum('tercet_requests_running_max', ['namespace'])} > 0.9`,
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the requests that the gateways take at a time are running.',
  },
  {
    name: 'TercetReplans',
    severity: 'warning',
    expr:
      `${promql.over('10m').rate('tercet_replans_total', perModel)} / ` +
      `${promql.over('10m').rate('tercet_requests_total', perModel)} > 0.05`,
    for: '10m',
    summary: 'Requests to {{ $labels.model }} need {{ $value | humanize }} more attempts each: stages fail under them.',
  },
];

const stages: Alert[] = [
  {
    name: 'TercetQueueNeverEmpty',
    severity: 'warning',
    expr: `sum by (namespace, role) (min_over_time(${promql.series('tercet_stage_waiting')}[10m])) > 0`,
    for: '5m',
    summary: 'Requests wait in the {{ $labels.role }} pods all the time, {{ $value }} at least.',
  },
  {
    name: 'TercetKvFull',
    severity: 'warning',
    expr:
      `${promql.sum('tercet_kv_blocks_used', perRole, { role: is('decode') })} / ` +
      `${promql.sum('tercet_kv_blocks_max', perRole, { role: is('decode') })} > 0.95`,
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the KV blocks of the decode pods are in use.',
  },
  {
    name: 'TercetPodStuck',
    severity: 'warning',
    expr: `${promql.max('tercet_stage_phase', [...perPod, 'phase'], { phase: isNot('ready') })} == 1`,
    for: '10m',
    summary: '{{ $labels.pod }} has been {{ $labels.phase }} for ten minutes and serves nothing.',
  },
  {
    name: 'TercetRoleSwitchFailed',
    severity: 'warning',
    expr: `${promql.over('15m').increase('tercet_role_switches_total', perPod, { outcome: is('failed') })} > 0`,
    for: '0m',
    summary: '{{ $labels.pod }} did not take the role that it was asked to take.',
  },
  {
    name: 'TercetRolesFlap',
    severity: 'warning',
    expr: `max by (namespace, pod) (changes(${promql.series('tercet_stage_epoch')}[30m])) > 6`,
    for: '0m',
    summary: '{{ $labels.pod }} took another role {{ $value }} times in half an hour.',
  },
];

const tensors: Alert[] = [
  {
    name: 'TercetTensorCorrupt',
    severity: 'critical',
    expr: `${promql.over('15m').increase('tercet_transfers_total', perPod, { outcome: is('corrupt') })} > 0`,
    for: '0m',
    summary: '{{ $labels.pod }} read a tensor whose checksum did not match.',
  },
  {
    name: 'TercetTransfersFail',
    severity: 'warning',
    expr:
      `${promql.rate('tercet_transfers_total', perPod, { outcome: is('failed') })} / ` +
      `${promql.rate('tercet_transfers_total', perPod)} > 0.01`,
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the tensors that {{ $labels.pod }} pulls do not arrive.',
  },
  {
    name: 'TercetLeasesExpire',
    severity: 'warning',
    expr: `${promql.over('10m').increase('tercet_leases_ended_total', perPod, { how: is('expired') })} > 0`,
    for: '10m',
    summary: 'Tensors of {{ $labels.pod }} are lent and never fetched.',
  },
  {
    name: 'TercetLeasesRefused',
    severity: 'warning',
    expr: `${promql.over('10m').increase('tercet_leases_refused_total', perPod)} > 0`,
    for: '10m',
    summary: '{{ $labels.pod }} keeps refusing reads of leases that are unknown, expired, used up or of another shape.',
  },
  {
    name: 'TercetTracesLost',
    severity: 'warning',
    expr: `${promql.over('15m').increase('tercet_trace_exports_total', perPod, { outcome: is('failed') })} > 0`,
    for: '15m',
    summary: '{{ $labels.pod }} cannot send its traces; requests do not notice.',
  },
];

const access: Alert[] = [
  {
    name: 'TercetCertificateEnds',
    severity: 'warning',
    expr: `${promql.min('tercet_certificate_left_seconds', perPod)} < ${3 * 24 * 3600}`,
    for: '10m',
    summary: 'The certificate of {{ $labels.pod }} ends in {{ $value | humanizeDuration }} and was not renewed.',
  },
  {
    name: 'TercetKeysGuessed',
    severity: 'warning',
    expr: `${promql.rate('tercet_keys_refused_total', ['namespace'], { reason: is('not known') })} > 1`,
    for: '10m',
    summary: '{{ $value | humanize }} requests a second come with keys that nobody was given.',
  },
];

const batches: Alert[] = [
  {
    name: 'TercetBatchLate',
    severity: 'warning',
    expr: `${promql.max('tercet_batch_oldest_seconds', ['namespace'])} > ${20 * 3600}`,
    for: '10m',
    summary: 'The oldest batch is {{ $value | humanizeDuration }} old; after 24 hours its lines are not run any more.',
  },
  {
    name: 'TercetBatchStuck',
    severity: 'warning',
    expr:
      `${promql.max('tercet_batch_lines_left', ['namespace'])} > 0 and on (namespace) ` +
      `${promql.over('30m').increase('tercet_batch_lines_total', ['namespace'], { outcome: isNot('returned') })} == 0`,
    for: '30m',
    summary: '{{ $value }} lines of batches are left, and none has ended for half an hour.',
  },
];

const control: Alert[] = [
  {
    name: 'TercetNobodyLeads',
    severity: 'warning',
    expr: `${promql.max('tercet_controller_leads', ['namespace'])} == 0`,
    for: '5m',
    summary: 'Controllers are there and none of them acts: roles stay as they are, and none is given back.',
  },
  {
    name: 'TercetPassesFail',
    severity: 'warning',
    expr:
      `${promql.rate('tercet_controller_passes_total', perPool, { kind: is('failed') })} / ` +
      `${promql.rate('tercet_controller_passes_total', perPool)} > 0.5`,
    for: '5m',
    summary: 'Most passes over {{ $labels.pool }} fail: nobody moves pods or gives roles back.',
  },
  {
    name: 'TercetDecisionsTakenBack',
    severity: 'warning',
    expr: `${promql.over('1h').increase('tercet_controller_decisions_total', perPool, takenBack)} > 2`,
    for: '0m',
    summary: '{{ $value | humanize }} decisions for {{ $labels.pool }} were taken back within an hour.',
  },
  {
    name: 'TercetPodLies',
    severity: 'warning',
    expr: `${promql.rate('tercet_controller_findings_total', perPool, { kind: is('refuses its role') })} > 0`,
    for: '5m',
    summary: 'A pod of {{ $labels.pool }} refuses the calls of the role that it claims; it gets no requests.',
  },
];

const events: Alert[] = [
  {
    name: 'TercetEventsLost',
    severity: 'warning',
    expr:
      `${promql.rate('tercet_events_dropped_total', perPod)} + ` +
      `${promql.rate('tercet_events_refused_total', perPod)} > 0`,
    for: '5m',
    summary: '{{ $labels.pod }} loses records of the event log; requests do not notice.',
  },
  {
    name: 'TercetEventsParked',
    severity: 'warning',
    expr: `${promql.over('15m').increase('tercet_events_parked_total', ['namespace', 'topic'])} > 0`,
    for: '0m',
    summary: 'Records of topic {{ $labels.topic }} could not be used and were put aside.',
  },
  {
    name: 'TercetEventsLag',
    severity: 'warning',
    expr: `${promql.sum('tercet_events_lag', ['namespace', 'topic', 'group'])} > 1000`,
    for: '10m',
    summary: 'Group {{ $labels.group }} is {{ $value }} records behind on topic {{ $labels.topic }}.',
  },
];

/** Every alert, in groups. */
export const alertGroups: Readonly<Record<string, readonly Alert[]>> = {
  'tercet-users': users,
  'tercet-stages': stages,
  'tercet-tensors': tensors,
  'tercet-access': access,
  'tercet-batches': batches,
  'tercet-control': control,
  'tercet-events': events,
};
