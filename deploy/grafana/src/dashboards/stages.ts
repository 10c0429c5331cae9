import { is } from '@tercet/promql';
import { type Dashboard, promql, type Row } from '../panel.js';

const roles: Row = {
  title: 'Roles',
  panels: [
    {
      title: 'Pods by role',
      description:
        'Pods that are ready, by the role that they have. Lines of the annotation mark when one took another.',
      kind: 'stack',
      unit: 'count',
      queries: [{ expr: promql.max('tercet_pods', ['model', 'role']), legend: '{{role}} {{model}}' }],
    },
    {
      title: 'Role of each pod',
      description: 'Which role each pod had when; a gap is a pod that was not there.',
      kind: 'states',
      unit: 'count',
      queries: [{ expr: `${promql.series('tercet_stage_role')} == 1`, legend: '{{pod}} {{role}}' }],
    },
    {
      title: 'Role switches',
      description: 'Switches that were asked for, by how they ended.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_role_switches_total', ['outcome']), legend: '{{outcome}}' }],
    },
    {
      title: 'Time of a role switch',
      description: 'Drain: until nothing ran any more. Switch: from there until the new role served. Mean of both.',
      kind: 'stack',
      unit: 'seconds',
      queries: [{ expr: promql.mean('tercet_role_switch_seconds', ['part']), legend: '{{part}}' }],
    },
    {
      title: 'Phases',
      description: 'How many pods are in which phase. Draining and mounting should be short.',
      kind: 'stack',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_stage_phase', ['phase']), legend: '{{phase}}' }],
    },
    {
      title: 'Epochs',
      description: 'Epoch of each pod; it grows with every role that the pod takes.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.max('tercet_stage_epoch', ['pod']), legend: '{{pod}}' }],
    },
  ],
};

const load: Row = {
  title: 'Load of the stages',
  panels: [
    {
      title: 'Waiting',
      description: 'Requests that wait in the engines of a role. A queue that never empties wants another pod there.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_stage_waiting', ['role']), legend: '{{role}}' }],
    },
    {
      title: 'Running',
      description: 'Requests that the engines of a role work on.',
      kind: 'lines',
      unit: 'count',
      queries: [{ expr: promql.sum('tercet_stage_running', ['role']), legend: '{{role}}' }],
    },
    {
      title: 'Calls',
      description: 'Calls of each stage that ended, per second.',
      kind: 'lines',
      unit: 'requestsPerSecond',
      queries: [{ expr: promql.rate('tercet_stage_requests_total', ['role']), legend: '{{role}}' }],
    },
    {
      title: 'Tokens',
      description: 'Media tokens of encode, prompt tokens of prefill, answer tokens of decode, per second.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_stage_tokens_total', ['role']), legend: '{{role}}' }],
    },
    ...(['encode', 'prefill', 'decode'] as const).map((role) => ({
      title: `Time in ${role}`,
      description: `Mean time of a request in ${role}: in the queue, with its tensors on their way, and computed.`,
      kind: 'stack' as const,
      unit: 'seconds' as const,
      width: 8,
      queries: [{ expr: promql.mean('tercet_stage_seconds', ['part'], { role: is(role) }), legend: '{{part}}' }],
    })),
  ],
};

const engine: Row = {
  title: 'Engines and processes',
  panels: [
    {
      title: 'Step time, p95',
      description: 'Time of a step that served one stage, its wait for cores included.',
      kind: 'lines',
      unit: 'seconds',
      queries: [{ expr: promql.quantile(0.95, 'tercet_step_seconds', { by: ['role'] }), legend: '{{role}}' }],
    },
    {
      title: 'Steps',
      description: 'Steps of each engine per second.',
      kind: 'lines',
      unit: 'perSecond',
      queries: [{ expr: promql.rate('tercet_steps_total', ['pod']), legend: '{{pod}}' }],
    },
    {
      title: 'Memory',
      description: 'Resident memory of each process. Processes of one machine share the pages of the weights.',
      kind: 'lines',
      unit: 'bytes',
      queries: [{ expr: promql.max('tercet_process_resident_bytes', ['pod']), legend: '{{pod}}' }],
    },
    {
      title: 'Processor',
      description: 'Cores that each process uses; stages of one machine share what it has.',
      kind: 'stack',
      unit: 'count',
      queries: [{ expr: promql.rate('tercet_process_cpu_seconds_total', ['pod']), legend: '{{pod}}' }],
    },
  ],
};

export const stages: Dashboard = {
  uid: 'tercet-stages',
  title: 'Tercet / Stages and roles',
  description: 'Which pods serve which stage, how busy they are, and what changed when.',
  rows: [roles, load, engine],
};
