import { type Dashboard, percentiles, promql, type Row } from '../panel.js';

const decisions: Row = {
  title: 'Decisions',
  panels: [
    {
      title: 'Attainment of the pool',
      description:
        'Share of requests that met every SLO in the last minute, as it was realised; what the simulator expects of ' +
        'the pods as they are; and of the best split that it found.',
      kind: 'lines',
      unit: 'share',
      queries: [{ expr: promql.max('tercet_pool_attainment_ratio', ['pool', 'share']), legend: '{{pool}} {{share}}' }],
    },
    {
      title: 'The last decision',
      description:
        'Of the last decision that was judged: what it promised, what was realised, and the counterfactual, which is ' +
        'what would have been without it. Empty until one was judged.',
      kind: 'lines',
      unit: 'share',
      queries: [
        { expr: promql.max('tercet_decision_attainment_ratio', ['pool', 'share']), legend: '{{pool}} {{share}}' },
      ],
    },
    {
      title: 'Verdicts',
      description: 'Decisions that are over. Replaced ones were followed by another before they could be judged.',
      kind: 'stack',
      unit: 'perSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_controller_decisions_total', ['verdict']), legend: '{{verdict}}' }],
    },
    {
      title: 'Moves',
      description: 'Moves that are over, from which stage to which, and how they ended.',
      kind: 'stack',
      unit: 'perSecond',
      width: 8,
      queries: [
        {
          expr: promql.rate('tercet_controller_moves_total', ['from', 'to', 'outcome']),
          legend: '{{from}} to {{to}} {{outcome}}',
        },
      ],
    },
    {
      title: 'Split',
      description: 'Pods of each pool by the stage that they serve or move to, as the controller has it written down.',
      kind: 'stack',
      unit: 'count',
      width: 8,
      queries: [{ expr: promql.max('tercet_pool_pods', ['pool', 'role']), legend: '{{pool}} {{role}}' }],
    },
  ],
};

const passes: Row = {
  title: 'The controller',
  panels: [
    {
      title: 'Passes',
      description: 'Passes by the kind of change that they made. A failed one asked nobody and is made again.',
      kind: 'stack',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_controller_passes_total', ['kind']), legend: '{{kind}}' }],
    },
    {
      title: 'Time of a pass',
      description: 'Looking at the pods, planning, and writing down.',
      kind: 'lines',
      unit: 'seconds',
      queries: percentiles((q) => promql.quantile(q, 'tercet_controller_pass_seconds')),
    },
    {
      title: 'Findings',
      description: 'What passes found and no move explained. A pod that refuses its role is found in every pass.',
      kind: 'stack',
      unit: 'perSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_controller_findings_total', ['kind']), legend: '{{kind}}' }],
    },
    {
      title: 'Sleep',
      description: 'Pools without requests that lost their pods, kept them since requests were expected, and woke.',
      kind: 'stack',
      unit: 'perSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_pool_sleep_changes_total', ['change']), legend: '{{change}}' }],
    },
    {
      title: 'Who leads',
      description: '1 for the controller that acts, 0 for one that stands by.',
      kind: 'lines',
      unit: 'count',
      width: 8,
      queries: [{ expr: promql.max('tercet_controller_leads', ['pod']), legend: '{{pod}}' }],
    },
  ],
};

const eventLog: Row = {
  title: 'The event log',
  panels: [
    {
      title: 'Records written',
      description: 'Records that the log acknowledged, by topic.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_events_published_total', ['topic']), legend: '{{topic}}' }],
    },
    {
      title: 'Time to the acknowledgement, p95',
      description: 'From publishing to the acknowledgement, of the record of each batch that waited longest.',
      kind: 'lines',
      unit: 'seconds',
      queries: [
        { expr: promql.quantile(0.95, 'tercet_events_publish_seconds', { by: ['topic'] }), legend: '{{topic}}' },
      ],
    },
    {
      title: 'Lag',
      description: 'Records that a group of readers has not handled yet.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_events_lag', ['topic', 'group']), legend: '{{topic}} {{group}}' }],
    },
    {
      title: 'Records lost or put aside',
      description:
        'Dropped ones made room, refused ones were never taken, parked ones could not be used by their reader.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [
        { expr: promql.rate('tercet_events_dropped_total', ['topic']), legend: 'dropped {{topic}}' },
        { expr: promql.rate('tercet_events_refused_total', ['topic']), legend: 'refused {{topic}}' },
        { expr: promql.rate('tercet_events_parked_total', ['topic']), legend: 'parked {{topic}}' },
      ],
    },
    {
      title: 'Records that came again',
      description: 'Duplicates are left out; a retried one comes again because its reader failed at it.',
      kind: 'lines',
      unit: 'perSecond',
      width: 8,
      queries: [
        { expr: promql.rate('tercet_events_duplicate_total', ['topic']), legend: 'duplicate {{topic}}' },
        { expr: promql.rate('tercet_events_retried_total', ['topic']), legend: 'retried {{topic}}' },
      ],
    },
    {
      title: 'Rebalances',
      description: 'Times that the parts which a reader has became others: readers came or went.',
      kind: 'lines',
      unit: 'perSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_event_rebalances_total', ['pod']), legend: '{{pod}}' }],
    },
    {
      title: 'Failures of the log',
      description: 'Times that the log did not do what it was asked, by the code. Empty while it never failed.',
      kind: 'lines',
      unit: 'perSecond',
      width: 8,
      queries: [{ expr: promql.rate('tercet_event_log_failures_total', ['code']), legend: '{{code}}' }],
    },
  ],
};

export const control: Dashboard = {
  uid: 'tercet-control',
  title: 'Tercet / Control and events',
  description: 'What the controller decided and what came of it, and how the event log does.',
  rows: [decisions, passes, eventLog],
};
