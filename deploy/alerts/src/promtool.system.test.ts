import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { needs } from '@tercet/testing';
import { stringify } from 'yaml';
import { alertGroups, rulesYaml } from './index.js';

type Series = Readonly<Record<string, string>>;

/** What an alert must hear to fire, and something close to it at which it must stay quiet; a sample a minute. */
interface AlertCase {
  readonly name: string;
  readonly loud: Series;
  readonly quiet: Series;
  readonly minute: number;
  readonly labels: Readonly<Record<string, string>>;
}

const model = 'namespace="n",model="m"';
const pod = 'namespace="n",pod="p"';
const slo = { 'tercet_slo_attainment_ratio{namespace="n",pod="g"}': '0.95x400' };
const requests = (result: string) => `tercet_slo_requests_total{${model},result="${result}"}`;
const ended = (outcome: string) => `tercet_requests_total{${model},outcome="${outcome}"}`;
const ofModel = { namespace: 'n', model: 'm' };
const passes = (kind: string) => `tercet_controller_passes_total{namespace="n",pool="m",kind="${kind}"}`;
const decided = (verdict: string) => `tercet_controller_decisions_total{namespace="n",pool="m",verdict="${verdict}"}`;
const ofPool = { namespace: 'n', pool: 'm' };
const ofPod = { namespace: 'n', pod: 'p' };

const cases: readonly AlertCase[] = [
  {
    name: 'TercetGatewayAbsent',
    loud: { 'tercet_stage_epoch{namespace="n",pod="p"}': '1x20' },
    quiet: { 'tercet_requests_running_max{namespace="n",pod="g"}': '128x20' },
    minute: 10,
    labels: {},
  },
  {
    name: 'TercetNoPod',
    loud: { [`tercet_pods{${model},role="decode",pod="g"}`]: '1x3 0x20' },
    quiet: {
      [`tercet_pods{${model},role="decode",pod="g"}`]: '0x20',
      [`tercet_pods{${model},role="decode",pod="h"}`]: '1x20',
    },
    minute: 10,
    labels: { ...ofModel, role: 'decode' },
  },
  {
    name: 'TercetSloBurnFast',
    loud: { ...slo, [requests('met')]: '0+20x90', [requests('missed')]: '0+80x90' },
    quiet: { ...slo, [requests('met')]: '0+40x90', [requests('missed')]: '0+60x90' },
    minute: 70,
    labels: ofModel,
  },
  {
    name: 'TercetSloBurnSlow',
    loud: { ...slo, [requests('met')]: '0+60x400', [requests('missed')]: '0+40x400' },
    quiet: { ...slo, [requests('met')]: '0+80x400', [requests('missed')]: '0+20x400' },
    minute: 380,
    labels: ofModel,
  },
  {
    name: 'TercetErrors',
    loud: { [ended('ok')]: '0+95x30', [ended('stage_failed')]: '0+5x30' },
    quiet: { [ended('ok')]: '0+95x30', [ended('invalid_request')]: '0+5x30' },
    minute: 20,
    labels: ofModel,
  },
  {
    name: 'TercetOverloaded',
    loud: { [ended('ok')]: '0+90x30', [ended('overloaded')]: '0+10x30' },
    quiet: { [ended('ok')]: '0+98x30', [ended('overloaded')]: '0+2x30' },
    minute: 25,
    labels: ofModel,
  },
  {
    name: 'TercetNearLimit',
    loud: {
      'tercet_requests_running{namespace="n",pod="g"}': '125x30',
      'tercet_requests_running_max{namespace="n",pod="g"}': '128x30',
    },
    quiet: {
      'tercet_requests_running{namespace="n",pod="g"}': '100x30',
      'tercet_requests_running_max{namespace="n",pod="g"}': '128x30',
    },
    minute: 20,
    labels: { namespace: 'n' },
  },
  {
    name: 'TercetReplans',
    loud: { [ended('ok')]: '0+100x40', [`tercet_replans_total{${model}}`]: '0+10x40' },
    quiet: { [ended('ok')]: '0+100x40', [`tercet_replans_total{${model}}`]: '0+1x40' },
    minute: 30,
    labels: ofModel,
  },
  {
    name: 'TercetQueueNeverEmpty',
    loud: { [`tercet_stage_waiting{${pod},role="prefill"}`]: '3x30' },
    quiet: { [`tercet_stage_waiting{${pod},role="prefill"}`]: '9x9 0 9x20' },
    minute: 18,
    labels: { namespace: 'n', role: 'prefill' },
  },
  {
    name: 'TercetKvFull',
    loud: {
      [`tercet_kv_blocks_used{${pod},role="decode"}`]: '990x30',
      [`tercet_kv_blocks_max{${pod},role="decode"}`]: '1000x30',
    },
    quiet: {
      [`tercet_kv_blocks_used{${pod},role="prefill"}`]: '990x30',
      [`tercet_kv_blocks_max{${pod},role="prefill"}`]: '1000x30',
    },
    minute: 20,
    labels: { namespace: 'n', role: 'decode' },
  },
  {
    name: 'TercetPodStuck',
    loud: {
      [`tercet_stage_phase{${pod},phase="draining"}`]: '1x30',
      [`tercet_stage_phase{${pod},phase="ready"}`]: '0x30',
    },
    quiet: {
      [`tercet_stage_phase{${pod},phase="draining"}`]: '1x5 0x30',
      [`tercet_stage_phase{${pod},phase="ready"}`]: '0x5 1x30',
    },
    minute: 20,
    labels: { ...ofPod, phase: 'draining' },
  },
  {
    name: 'TercetRoleSwitchFailed',
    loud: { [`tercet_role_switches_total{${pod},outcome="failed"}`]: '0x5 1x20' },
    quiet: { [`tercet_role_switches_total{${pod},outcome="refused"}`]: '0x5 1x20' },
    minute: 10,
    labels: ofPod,
  },
  {
    name: 'TercetRolesFlap',
    loud: { [`tercet_stage_epoch{${pod}}`]: '1+1x30' },
    quiet: { [`tercet_stage_epoch{${pod}}`]: '1x10 2x20' },
    minute: 20,
    labels: ofPod,
  },
  {
    name: 'TercetTensorCorrupt',
    loud: { [`tercet_transfers_total{${pod},outcome="corrupt"}`]: '0x5 1x20' },
    quiet: { [`tercet_transfers_total{${pod},outcome="failed"}`]: '0x5 1x20' },
    minute: 10,
    labels: ofPod,
  },
  {
    name: 'TercetTransfersFail',
    loud: {
      [`tercet_transfers_total{${pod},outcome="ok"}`]: '0+95x30',
      [`tercet_transfers_total{${pod},outcome="failed"}`]: '0+5x30',
    },
    quiet: {
      [`tercet_transfers_total{${pod},outcome="ok"}`]: '0+1000x30',
      [`tercet_transfers_total{${pod},outcome="failed"}`]: '0+1x30',
    },
    minute: 25,
    labels: ofPod,
  },
  {
    name: 'TercetLeasesExpire',
    loud: { [`tercet_leases_ended_total{${pod},how="expired"}`]: '0+1x40' },
    quiet: { [`tercet_leases_ended_total{${pod},how="released"}`]: '0+1x40' },
    minute: 30,
    labels: ofPod,
  },
  {
    name: 'TercetLeasesRefused',
    loud: { [`tercet_leases_refused_total{${pod}}`]: '0+1x40' },
    quiet: { [`tercet_leases_refused_total{${pod}}`]: '0x5 1x40' },
    minute: 30,
    labels: ofPod,
  },
  {
    name: 'TercetTracesLost',
    loud: { [`tercet_trace_exports_total{${pod},outcome="failed"}`]: '0+1x50' },
    quiet: { [`tercet_trace_exports_total{${pod},outcome="ok"}`]: '0+1x50' },
    minute: 40,
    labels: ofPod,
  },
  {
    name: 'TercetCertificateEnds',
    loud: { [`tercet_certificate_left_seconds{${pod}}`]: '172800x20' },
    quiet: { [`tercet_certificate_left_seconds{${pod}}`]: '345600x20' },
    minute: 15,
    labels: ofPod,
  },
  {
    name: 'TercetKeysGuessed',
    loud: { 'tercet_keys_refused_total{namespace="n",reason="not known"}': '0+90x30' },
    quiet: { 'tercet_keys_refused_total{namespace="n",reason="expired"}': '0+90x30' },
    minute: 20,
    labels: { namespace: 'n' },
  },
  {
    name: 'TercetBatchLate',
    loud: { 'tercet_batch_oldest_seconds{namespace="n"}': '73000x20' },
    quiet: { 'tercet_batch_oldest_seconds{namespace="n"}': '71000x20' },
    minute: 15,
    labels: { namespace: 'n' },
  },
  {
    name: 'TercetBatchStuck',
    loud: {
      'tercet_batch_lines_left{namespace="n"}': '5x90',
      'tercet_batch_lines_total{namespace="n",outcome="returned"}': '0+1x90',
      'tercet_batch_lines_total{namespace="n",outcome="completed"}': '7x90',
    },
    quiet: {
      'tercet_batch_lines_left{namespace="n"}': '5x90',
      'tercet_batch_lines_total{namespace="n",outcome="completed"}': '0+1x90',
    },
    minute: 80,
    labels: { namespace: 'n' },
  },
  {
    name: 'TercetNobodyLeads',
    loud: { [`tercet_controller_leads{${pod}}`]: '0x20' },
    quiet: { [`tercet_controller_leads{${pod}}`]: '0x20', 'tercet_controller_leads{namespace="n",pod="q"}': '1x20' },
    minute: 10,
    labels: { namespace: 'n' },
  },
  {
    name: 'TercetPassesFail',
    loud: { [passes('failed')]: '0+8x30', [passes('rest')]: '0+2x30' },
    quiet: { [passes('failed')]: '0+4x30', [passes('rest')]: '0+6x30' },
    minute: 20,
    labels: ofPool,
  },
  {
    name: 'TercetDecisionsTakenBack',
    loud: { [decided('taken back')]: '0x5 1x5 2x5 3x20' },
    quiet: { [decided('replaced')]: '0x5 1x5 2x5 3x20' },
    minute: 30,
    labels: ofPool,
  },
  {
    name: 'TercetPodLies',
    loud: { 'tercet_controller_findings_total{namespace="n",pool="m",kind="refuses its role"}': '0+12x30' },
    quiet: { 'tercet_controller_findings_total{namespace="n",pool="m",kind="changed by others"}': '0+12x30' },
    minute: 20,
    labels: ofPool,
  },
  {
    name: 'TercetEventsLost',
    loud: {
      [`tercet_events_dropped_total{${pod},topic="load"}`]: '0+5x30',
      [`tercet_events_refused_total{${pod},topic="load"}`]: '0x30',
    },
    quiet: {
      [`tercet_events_dropped_total{${pod},topic="load"}`]: '0 5x30',
      [`tercet_events_refused_total{${pod},topic="load"}`]: '0x30',
    },
    minute: 20,
    labels: ofPod,
  },
  {
    name: 'TercetEventsParked',
    loud: { [`tercet_events_parked_total{${pod},topic="jobs"}`]: '0x5 1x20' },
    quiet: { [`tercet_events_duplicate_total{${pod},topic="jobs"}`]: '0x5 1x20' },
    minute: 10,
    labels: { namespace: 'n', topic: 'jobs' },
  },
  {
    name: 'TercetEventsLag',
    loud: { [`tercet_events_lag{${pod},topic="load",group="controller"}`]: '1200x20' },
    quiet: { [`tercet_events_lag{${pod},topic="load",group="controller"}`]: '1200x5 20x20' },
    minute: 15,
    labels: { namespace: 'n', topic: 'load', group: 'controller' },
  },
];

const prometheus = needs('prometheus');
if (prometheus !== undefined) {
  const promtool = join(dirname(prometheus), 'promtool');
  const folder = mkdtempSync(join(tmpdir(), 'tercet-rules-'));
  const rules = join(folder, 'tercet.yaml');
  writeFileSync(rules, rulesYaml(alertGroups));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe('Prometheus itself', () => {
    test('takes the rules', () => {
      const alerts = Object.values(alertGroups).flat();
      expect(execFileSync(promtool, ['check', 'rules', rules], { encoding: 'utf8' })).toContain(
        `${alerts.length} rules`,
      );
    });

    test('every alert has a case', () => {
      const alerts = Object.values(alertGroups).flat();
      expect(cases.map(({ name }) => name)).toEqual(alerts.map(({ name }) => name));
    });

    test.each(cases)('$name fires when it should', ({ name, loud, minute, labels }) => {
      expect(fired(name, loud, minute)).toEqual([labels]);
    });

    test.each(cases)('$name stays quiet when it is close', ({ name, quiet, minute }) => {
      expect(fired(name, quiet, minute)).toEqual([]);
    });
  });

  /** Labels of the alerts of this name that fire after so many minutes, severity and name left out. */
  function fired(name: string, series: Series, minute: number): Record<string, string>[] {
    const path = join(folder, `${name}.test.yaml`);
    const input = Object.entries(series).map(([key, values]) => ({ series: key, values }));
    const asked = { eval_time: `${minute}m`, alertname: name, exp_alerts: [] };
    const tests = [{ interval: '1m', input_series: input, alert_rule_test: [asked] }];
    writeFileSync(path, stringify({ rule_files: [rules], evaluation_interval: '1m', tests }));
    try {
      execFileSync(promtool, ['test', 'rules', path], { encoding: 'utf8', stdio: 'pipe' });
      return [];
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      if (!`${stdout}${stderr}`.includes('got:')) throw error;
      return labelsIn(`${stdout}${stderr}`);
    }
  }
}

/** promtool expected no alert and says which it got. */
function labelsIn(said: string): Record<string, string>[] {
  const got = said.slice(said.indexOf('got:'));
  return [...got.matchAll(/Labels:\{([^}]*)\}/g)].map(([, text = '']) => {
    const pairs = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value] as const);
    return Object.fromEntries(pairs.filter(([key]) => key !== 'alertname' && key !== 'severity'));
  });
}
