import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { alertGroups } from '@tercet/alerts';
import { metricList, wire } from '@tercet/contracts';
import { dashboards, roleChanges } from '@tercet/grafana';
import { GrpcChannel } from '@tercet/grpc';
import { needs } from '@tercet/testing';
import { squarePicture } from './pictures.js';
import { Prometheus } from './prometheus.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(60_000);

const rulesPath = fileURLToPath(new URL('../../../helm/tercet/alerts/tercet.yaml', import.meta.url));
const panels = dashboards.flatMap(({ uid, rows }) =>
  rows.flatMap((row) =>
    row.panels.flatMap(({ title, queries }) =>
      queries.map(({ expr, legend }) => ({ name: `${uid}: ${title}: ${legend}`, expr })),
    ),
  ),
);
const alerts = Object.values(alertGroups).flat();

/** Alerts whose query has nothing to compare on a system that is well. */
const emptyWhenWell: Readonly<Record<string, string>> = {
  TercetGatewayAbsent: 'the gateway is there',
  TercetErrors: 'no request failed by a fault of the system',
  TercetCertificateEnds: 'processes of one machine meet at Unix sockets, without certificates',
};

/** Panels that have nothing to show on a system that is well, by their name. */
const blankWhenWell: Readonly<Record<string, string>> = {
  'tercet-requests: Certificates: {{pod}}': 'processes of one machine meet at Unix sockets, without certificates',
  'tercet-control: The last decision: {{pool}} {{share}}': 'nothing was decided, so nothing was judged',
  'tercet-control: Failures of the log: {{code}}': 'the event log never failed',
};
/** Metrics of theirs. */
const silentWhenWell = [
  'tercet_certificate_left_seconds',
  'tercet_decision_attainment_ratio',
  'tercet_event_log_failures_total',
];

const program = needs('prometheus');
if (program !== undefined) {
  let system: RunningSystem;
  let prometheus: Prometheus;
  beforeAll(async () => {
    const processes = ['--encode', '2', '--prefill', '1', '--decode', '1', '--requests', '4'];
    // Nobody takes spans there: the export fails, and the requests do not notice.
    system = await RunningSystem.start([...processes, '--trace-endpoint', 'http://127.0.0.1:9/v1/traces']);
    const targetsPath = join(system.folder, 'metrics-targets.json');
    prometheus = await Prometheus.start({ program, targetsPath, rulesPath });
    await underLoad(system);
  }, 150_000);
  afterAll(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await system?.[Symbol.asyncDispose]();
  }, 60_000);

  describe('a real Prometheus that scrapes a loaded system', () => {
    test('reaches every process', async () => {
      const up = await prometheus.query('up');
      const reached = up.filter(({ value }) => value === 1).map(({ metric }) => metric.pod);
      const stages = ['decode-0', 'encode-0', 'encode-1', 'prefill-0'];
      expect(reached.toSorted()).toEqual(['controller', 'gateway', 'vector-index', ...stages].toSorted());
    });

    test.each(panels)('has data for $name', async ({ name, expr }) => {
      const samples = await prometheus.query(filled(expr));
      const isBlank = samples.every(({ value }) => !Number.isFinite(value));
      expect(isBlank).toBe(Object.hasOwn(blankWhenWell, name));
    });

    test('has data for the annotations', async () => {
      expect(await prometheus.query(filled(roleChanges.expr))).not.toEqual([]);
    });

    test.each(alerts)('can tell whether $name should fire', async ({ name, expr }) => {
      const compared = await prometheus.query(expr.replaceAll(/ (>|<|==) /g, ' $1 bool '));
      expect(compared.length === 0).toBe(Object.hasOwn(emptyWhenWell, name));
    });

    test('evaluates every rule', async () => {
      const health = await prometheus.ruleHealth();
      expect([...health.keys()].toSorted()).toEqual(alerts.map(({ name }) => name).toSorted());
      expect([...health].filter(([, how]) => how !== 'ok')).toEqual([]);
    });

    test('sees every metric of these services, with labels from their sets and no others', async () => {
      for (const [name, { labels, type }] of Object.entries(metricList)) {
        const samples = await prometheus.query(type === 'histogram' ? `${name}_count` : name);
        expect([name, samples.length > 0]).toEqual([name, !silentWhenWell.includes(name)]);
        for (const { metric } of samples) expect([name, strangeLabels(metric, labels)]).toEqual([name, []]);
      }
    });
  });
}

/** Labels that the list does not give to a metric, and values that are not in its set. */
function strangeLabels(
  metric: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, readonly string[] | 'configured'>>,
): string[] {
  const ofScrape = ['__name__', 'job', 'instance', 'namespace', 'pod'];
  return Object.entries(metric).flatMap(([label, value]) => {
    if (ofScrape.includes(label)) return [];
    const values = labels[label];
    return values !== undefined && (values === 'configured' || values.includes(value)) ? [] : [`${label}=${value}`];
  });
}

/** A query as Grafana sends it when everything is chosen. */
function filled(expr: string): string {
  return expr.replaceAll('$namespace', '.*').replaceAll('$model', '.*').replaceAll('$__rate_interval', '1m');
}

/**
 * Everything that the panels show happens: images again and again, texts, bad ones, too many, vectors, and changes of
 * roles.
 */
async function underLoad(system: RunningSystem): Promise<void> {
  await sleep(2500);
  await system.post('/v1/collections', { name: 'plane', metric: 'l2', dimensions: 2 });
  for (let round = 0; round < 4; round++) {
    const colours = [round, 100, 0, 200].map((red) => squarePicture([red, 40, 90]));
    const images = colours.map((url) => system.post('/v1/chat/completions', question(url)));
    await Promise.all([...images, system.post('/v1/chat/completions', question())]);
    await system.post('/v1/chat/completions', question('data:image/png;base64,AAAA'));
    await Promise.all(Array.from({ length: 8 }, () => system.post('/v1/chat/completions', question())));
    await system.post('/v1/collections/plane/points', { points: [{ id: `p${round}`, vector: [round, 1] }] });
    await system.post('/v1/collections/plane/search', { vector: [1, 1], k: 2 });
    await switchRole(system, 'encode-1', round % 2 === 0 ? wire.Role.ROLE_PREFILL : wire.Role.ROLE_ENCODE);
    await sleep(2500);
  }
}

function question(url?: string): object {
  const image = url === undefined ? [] : [{ type: 'image_url', image_url: { url } }];
  const content = [...image, { type: 'text', text: 'What colour is the square?' }];
  return { model: 'tercet-tiny', temperature: 0, max_tokens: 24, messages: [{ role: 'user', content }] };
}

async function switchRole(system: RunningSystem, podId: string, role: wire.Role): Promise<void> {
  const channel = GrpcChannel.open(`unix:${join(system.folder, 'run/controller.sock')}`);
  try {
    await channel.client(wire.ControllerDefinition).movePod({ podId, role });
  } finally {
    channel.close();
  }
}
