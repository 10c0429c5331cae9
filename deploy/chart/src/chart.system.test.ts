import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { needs } from '@tercet/testing';
import { serviceSchemas, valuesSchema } from './index.js';

const chart = fileURLToPath(new URL('../../../helm/tercet/', import.meta.url));

test('values.schema.json is what the schemas of the values and of the services say', () => {
  const written = JSON.parse(readFileSync(`${chart}values.schema.json`, 'utf8'));
  expect(valuesSchema(serviceSchemas())).toEqual(written);
});

const twoGateways = 'gateway.replicas=2,store.kind=postgres,store.postgres.host=db';
const helm = needs('helm');
if (helm !== undefined) {
  describe('the chart', () => {
    const render = (...args: string[]) =>
      execFileSync(helm, ['template', 'demo', chart, '--namespace', 'serving', '--kube-version', '1.37.2', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });

    test.each([
      { name: 'its defaults', args: [] },
      { name: 'a laptop', args: ['--values', `${chart}values/laptop.yaml`] },
      { name: 'a cluster of CPU nodes', args: ['--values', `${chart}values/cpu.yaml`] },
    ])('renders with the values of $name', ({ args }) => {
      const rendered = render(...args);
      for (const kind of ['StatefulSet', 'Deployment', 'ServingPool', 'NetworkPolicy', 'PodDisruptionBudget']) {
        expect(rendered).toContain(`\nkind: ${kind}\n`);
      }
    });

    test('no container may more than serving needs', () => {
      const containers = render()
        .split(/^ {8}- name: (?:gateway|stage|controller)$/m)
        .slice(1);
      expect(containers).toHaveLength(3);
      for (const container of containers) {
        expect(container).toContain('allowPrivilegeEscalation: false');
        expect(container).toContain('readOnlyRootFilesystem: true');
        expect(container).toContain('drop: [ALL]');
      }
      expect(render()).not.toContain('runAsNonRoot: false');
    });

    test('the role of a pod stands in no selector and no template of its workload', () => {
      const [workload = ''] = render()
        .split('\n---\n')
        .filter((document) => document.includes('kind: StatefulSet'));
      expect(workload).toContain('tercet.dev/pool: demo-tercet-tiny');
      expect(workload).not.toContain('tercet.dev/role');
    });

    test('GPUs are asked for where a pool has them', () => {
      expect(render()).not.toContain('nvidia.com/gpu');
      expect(render('--set', 'poolDefaults.gpus=2')).toMatch(/limits:\n +memory: 2Gi\n +nvidia\.com\/gpu: 2\n/);
    });

    const configsOf = (rendered: string) =>
      [...rendered.matchAll(/^ {2}(gateway|stage|controller)\.json: (".*")$/gm)].map(
        ([, service, text = '']) => [service, JSON.parse(JSON.parse(text) as string)] as const,
      );

    test('the gateway takes prompts as long as the stages do', () => {
      const configs = Object.fromEntries(configsOf(render('--set', 'stage.config.engine.contextTokensMax=2048')));
      expect(configs.gateway.models[0].contextTokensMax).toBe(2048);
    });

    test('the gateway tells the controllers what there is to do, and is let through to them', () => {
      const rendered = render();
      expect(Object.fromEntries(configsOf(rendered)).gateway.controllers).toEqual(['demo-tercet-controller:8082']);
      const [policy = ''] = rendered
        .split('\n---\n')
        .filter((document) => document.includes('kind: NetworkPolicy') && document.includes('-controller\n'));
      expect(policy).toMatch(/component: gateway\n +ports:\n +- { port: 8082 }/);
      const without = Object.fromEntries(configsOf(render('--set', 'controller.enabled=false')));
      expect(without.gateway.controllers).toBeUndefined();
    });

    test('with certificates every service names the stages, and the stages name who may call them', () => {
      const rendered = render('--set', 'tls.enabled=true,tls.certManager.issuerName=ours');
      const configs = Object.fromEntries(configsOf(rendered));
      const files = { ca: '/tls/ca.crt', cert: '/tls/tls.crt', key: '/tls/tls.key' };
      const called = { ...files, serverName: 'demo-tercet-stage.serving.svc' };
      const gateway = 'demo-tercet-gateway.serving.svc';
      expect([configs.gateway.tls, configs.controller.tls]).toEqual([called, { ...called, callers: [gateway] }]);
      const controllers = ['demo-tercet-controller.serving.svc'];
      expect(configs.gateway.controllerName).toBe(controllers[0]);
      expect(configs.stage.tls).toEqual({
        ...called,
        controllers,
        callers: [...controllers, gateway],
      });
      for (const name of [...configs.stage.tls.callers, called.serverName]) expect(rendered).toContain(`[${name}]`);
    });

    test('every service is told of the event log, and of its login by the secret alone', () => {
      const kafka = 'brokers={a:9093,b:9094},credentialsSecret=login,tls.enabled=true,tls.caSecret=authority';
      const set = kafka.replaceAll(/(^|,)(?=[a-z]+[A-Za-z.]*=)/g, '$1events.kafka.');
      const rendered = render('--set', `events.kind=kafka,${set}`);
      const configs = configsOf(rendered);
      expect(configs).toHaveLength(3);
      for (const [, { events }] of configs) {
        expect(events).toEqual({
          kind: 'kafka',
          brokers: ['a:9093', 'b:9094'],
          replicationFactor: 3,
          sasl: { mechanism: 'scram-sha-512' },
          tls: { caPath: '/kafka/ca.crt' },
        });
      }
      for (const service of ['GATEWAY', 'STAGE', 'CONTROLLER']) {
        expect(rendered).toContain(`TERCET__${service}__EVENTS__SASL__PASSWORD`);
      }
      expect(rendered).toContain('{ port: 9094 }');
    });

    test('gateways that share a store ask for its keys', () => {
      const rendered = render('--set', `${twoGateways},keys.required=true,store.postgres.passwordSecret=login`);
      const { gateway } = Object.fromEntries(configsOf(rendered));
      expect(gateway.keys).toEqual({ required: true });
      expect(gateway.store).toMatchObject({ kind: 'postgres', host: 'db' });
      expect(rendered).toContain('replicas: 2');
      expect(rendered).toContain('name: TERCET__GATEWAY__STORE__PASSWORD');
    });

    test.each([
      { name: 'a key that is misspelt', set: 'pols=1', says: "'pols' not allowed" },
      { name: 'a bad setting of a service', set: 'gateway.config.requests.runningMax=0', says: 'requests/runningMax' },
      { name: 'an unknown setting of a service', set: 'stage.config.engine.slots=3', says: "'slots' not allowed" },
      { name: 'fewer pods than roles', set: 'poolDefaults.pods=2', says: '2 pods are fewer than the least' },
      { name: 'gateways that share nothing', set: 'gateway.replicas=2', says: 'need store.kind postgres' },
      {
        name: 'gateways that share a claim',
        set: `${twoGateways},store.persistence.enabled=true`,
        says: 'a claim of one gateway',
      },
      { name: 'an event log without brokers', set: 'events.kind=kafka', says: 'events.kafka.brokers names brokers' },
      { name: 'a broker that nobody asks', set: 'events.bundled.enabled=true', says: 'events.kind must be kafka' },
      { name: 'certificates from nowhere', set: 'tls.enabled=true', says: 'where certificates come from' },
      { name: 'a model that nobody has', set: 'pools[0].name=a,pools[0].model=b', says: 'needs `path`' },
      { name: 'a bad name of a pool', set: 'pools[0].name=A_b,pools[0].model=tercet-tiny', says: 'pools/0/name' },
    ])('refuses $name', ({ set, says }) => {
      expect(() => render('--set', set)).toThrow(says);
    });
  });
}

test('the alert rules and dashboards that the chart ships are there', () => {
  expect(existsSync(`${chart}alerts/tercet.yaml`)).toBe(true);
  expect(existsSync(`${chart}dashboards/tercet-requests.json`)).toBe(true);
});
