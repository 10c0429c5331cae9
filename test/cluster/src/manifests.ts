// The least that serves in a namespace: a pool of stage pods without roles, the Services of the stages, a gateway, and
// controllers that stand by for each other. Helm's chart has the same parts with everything that production wants.
import { poolLabel, roleLabel } from '@tercet/kubernetes';

export const image = 'localhost/tercet:test';
export const ports = { grpc: 7070, tensors: 7071, http: 8080 };
const model = {
  name: 'tercet-tiny',
  path: '/app/models/tiny/tercet-tiny.gguf',
  mmprojPath: '/app/models/tiny/mmproj-tercet-tiny.gguf',
};
const contextTokensMax = 2048;

export type Manifest = { readonly apiVersion: string; readonly kind: string; readonly [field: string]: unknown };

export interface PoolOptions {
  readonly name: string;
  readonly pods: number;
  /** Devices that each pod asks for. */
  readonly gpus?: number;
  /** Of the resource, beside the model and the number of pods. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

const podSecurity = {
  runAsNonRoot: true,
  runAsUser: 65532,
  fsGroup: 65532,
  seccompProfile: { type: 'RuntimeDefault' },
};
const containerSecurity = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** The workload of a pool and its Services. The role stands in no selector and no template. */
export function poolManifests({ name, pods, gpus = 0 }: PoolOptions): Manifest[] {
  const labels = { [poolLabel]: name };
  const config = {
    threads: 1,
    drainTimeoutMs: 5000,
    model,
    engine: { contextTokensMax, slotCount: 8, kvBlocksMax: 1024 },
  };
  const devices = gpus === 0 ? {} : { 'nvidia.com/gpu': gpus };
  const container = {
    ...containerOf('stage'),
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'TERCET__STAGE__POD_ID', value: '$(POD_NAME)' },
      { name: 'TERCET__STAGE__GRPC_ENDPOINT', value: `$(POD_IP):${ports.grpc}` },
      { name: 'TERCET__STAGE__TENSORS', value: `{"kind":"tcp","host":"$(POD_IP)","port":${ports.tensors}}` },
    ],
    readinessProbe: { tcpSocket: { port: ports.grpc }, periodSeconds: 1 },
    resources: { requests: { cpu: '20m', memory: '100Mi' }, limits: { memory: '1Gi', ...devices } },
  };
  const shm = { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '256Mi' } };
  const spec = { ...podSpec(name, container), terminationGracePeriodSeconds: 10 };
  spec.volumes.push(shm);
  container.volumeMounts.push({ name: 'shm', mountPath: '/dev/shm' });
  return [
    configMap(name, 'stage', config),
    service(name, { selector: labels, publishNotReadyAddresses: true }),
    ...['encode', 'prefill', 'decode'].map((role) =>
      service(`${name}-${role}`, { selector: { ...labels, [roleLabel]: role } }),
    ),
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name },
      spec: {
        serviceName: name,
        replicas: pods,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      },
    },
  ];
}

export function poolResource({ name, pods, spec = {} }: PoolOptions): Manifest {
  return {
    apiVersion: 'tercet.dev/v1alpha1',
    kind: 'ServingPool',
    metadata: { name },
    spec: { model: model.name, pods, drainTimeoutMs: 5000, ...spec },
  };
}

export function gatewayManifests(pools: readonly string[]): Manifest[] {
  const config = {
    http: { host: '0.0.0.0', port: ports.http },
    grpcEndpoint: '0.0.0.0:8081',
    store: { kind: 'sqlite', path: '/tmp/control.db' },
    workers: pools.map((pool) => `${pool}:${ports.grpc}`),
    controllers: ['controller:8082'],
    workerPollMs: 200,
    models: [{ ...model, contextTokensMax }],
  };
  const container = {
    ...containerOf('gateway'),
    readinessProbe: { httpGet: { path: '/healthz', port: ports.http }, periodSeconds: 1 },
    resources: { requests: { cpu: '20m', memory: '100Mi' } },
  };
  return [configMap('gateway', 'gateway', config), deployment('gateway', podSpec('gateway', container))];
}

/** The gateway of a namespace, as it is asked how the pools stand. */
export interface ShownPool {
  readonly name: string;
  readonly isCurrent: boolean;
  readonly sleep?: { readonly state: string; readonly wakeMs: number };
  readonly pods: readonly { readonly podId: string; readonly role: string; readonly epoch: number }[];
  readonly roleChanges: readonly { readonly podId: string; readonly to: string }[];
  readonly decisions: readonly unknown[];
}

/** With the rights that the controller needs, and no others. */
export function controllerManifests(namespace: string, replicas: number): Manifest[] {
  const name = 'controller';
  const config = {
    cluster: 'kubernetes',
    namespace,
    leaseMs: 4000,
    grpcEndpoint: '0.0.0.0:8082',
    workerPort: ports.grpc,
    passMs: 1000,
  };
  const container = {
    ...containerOf('controller'),
    env: [{ name: 'TERCET__CONTROLLER__IDENTITY', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    readinessProbe: { tcpSocket: { port: 8082 }, periodSeconds: 1 },
    resources: { requests: { cpu: '20m', memory: '100Mi' } },
  };
  const spec = {
    ...podSpec(name, container),
    serviceAccountName: name,
    automountServiceAccountToken: true,
    terminationGracePeriodSeconds: 10,
  };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules: controllerRules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    configMap(name, 'controller', config),
    service(name, { selector: { app: name }, port: 8082 }),
    deployment(name, spec, replicas),
  ];
}

const controllerRules = [
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'patch'] },
  { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'list'] },
  { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['list'] },
  { apiGroups: ['apps'], resources: ['statefulsets/scale'], verbs: ['patch'] },
  { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['list'] },
  { apiGroups: ['tercet.dev'], resources: ['servingpools'], verbs: ['get', 'list'] },
  { apiGroups: ['tercet.dev'], resources: ['servingpools/status'], verbs: ['patch'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
];

function containerOf(program: string) {
  return {
    name: program,
    image,
    imagePullPolicy: 'Never',
    args: [program, '--config', `/etc/tercet/${program}.json`],
    securityContext: containerSecurity,
    volumeMounts: [
      { name: 'config', mountPath: '/etc/tercet' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function podSpec(configName: string, container: ReturnType<typeof containerOf>) {
  const volumes: Record<string, unknown>[] = [
    { name: 'config', configMap: { name: configName } },
    { name: 'tmp', emptyDir: {} },
  ];
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    securityContext: podSecurity,
    containers: [container],
    volumes,
  };
}

function configMap(name: string, program: string, config: unknown): Manifest {
  const data = { [`${program}.json`]: JSON.stringify(config) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}

function service(
  name: string,
  {
    port = ports.grpc,
    ...more
  }: { selector: Record<string, string>; port?: number; publishNotReadyAddresses?: boolean },
): Manifest {
  const spec = { clusterIP: 'None', ports: [{ name: 'grpc', port }], ...more };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
}

function deployment(name: string, spec: ReturnType<typeof podSpec>, replicas = 1): Manifest {
  const labels = { app: name };
  const template = { metadata: { labels }, spec };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { replicas, selector: { matchLabels: labels }, template },
  };
}
