import { z } from 'zod';

const text = z.string();
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
const quantity = z.union([z.string().regex(/^\d+(\.\d+)?([EPTGMk]i?|m)?$/), z.number()]);
const resources = z.strictObject({
  requests: z.record(text, quantity).optional(),
  limits: z.record(text, quantity).optional(),
});
const labels = z.record(text, text);
/** Written by others, in the shape of the Kubernetes API: nothing is known of it here. */
const anyObject = z.record(text, z.unknown());
const objects = z.array(anyObject);
const port = z.int().min(1).max(65535);
const placement = { nodeSelector: labels, tolerations: objects, affinity: anyObject };
const perStage = z.strictObject({ encode: z.int().min(1), prefill: z.int().min(1), decode: z.int().min(1) });

const poolFields = {
  pods: z.int().min(0),
  policy: z.enum(['auto', 'recommend', 'manual']),
  slo: z.strictObject({
    ttftMs: z.int().min(1),
    tpotMs: z.int().min(1),
    attainment: z.number().min(0.01).max(1),
  }),
  least: perStage,
  controller: anyObject,
  resources,
  gpus: z.int().min(0),
  gpuResource: text,
  sharedMemory: quantity,
  ...placement,
  maxUnavailable: z.union([z.int().min(1), z.string().regex(/^\d+%$/)]),
  config: anyObject,
};

/** What `values.yaml` may hold. Configurations of services are {@link anyObject} here; their own schemas go in. */
export const ChartValues = z.strictObject({
  image: z.strictObject({
    repository: text,
    tag: text,
    pullPolicy: z.enum(['IfNotPresent', 'Always', 'Never']),
  }),
  imagePullSecrets: objects,
  pools: z
    .array(
      z
        .strictObject({ name, model: text, path: text, mmprojPath: text, ...poolFields })
        .partial()
        .required({ name: true, model: true }),
    )
    .min(1),
  poolDefaults: z.strictObject(poolFields),
  models: z.strictObject({
    source: z.enum(['image', 'pull', 'claim', 'hostPath']),
    claim: text,
    hostPath: text,
  }),
  gateway: z.strictObject({
    replicas: z.int().min(1),
    config: anyObject,
    service: z.strictObject({
      type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
      httpPort: port,
      grpcPort: port,
      annotations: labels,
    }),
    ingress: z.strictObject({
      enabled: z.boolean(),
      className: text,
      host: text,
      annotations: labels,
      tls: objects,
    }),
    resources,
    maxUnavailable: z.union([z.int().min(1), z.string().regex(/^\d+%$/)]),
    ...placement,
  }),
  stage: z.strictObject({
    config: anyObject,
    ports: z.strictObject({ grpc: port, tensors: port, metrics: port }),
  }),
  controller: z.strictObject({
    enabled: z.boolean(),
    replicas: z.int().min(1),
    metricsPort: port,
    config: anyObject,
    resources,
    ...placement,
  }),
  events: z.strictObject({
    kind: z.enum(['none', 'kafka']),
    kafka: z.strictObject({
      brokers: z.array(z.string().regex(/^[^:]+:\d+$/)),
      replicationFactor: z.int().min(1),
      credentialsSecret: text,
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      tls: z.strictObject({ enabled: z.boolean(), caSecret: text }),
    }),
    bundled: z.strictObject({ enabled: z.boolean(), image: text, storage: quantity, resources }),
  }),
  store: z.strictObject({
    kind: z.enum(['sqlite', 'postgres']),
    persistence: z.strictObject({ enabled: z.boolean(), size: quantity, storageClass: text }),
    postgres: z.strictObject({ host: text, port, database: text, user: text, passwordSecret: text }),
  }),
  keys: z.strictObject({ required: z.boolean(), testSecret: text }),
  tls: z.strictObject({
    enabled: z.boolean(),
    secrets: z.strictObject({ gateway: text, stage: text, controller: text }),
    certManager: z.strictObject({ issuerName: text, issuerKind: z.enum(['Issuer', 'ClusterIssuer']) }),
  }),
  networkPolicy: z.strictObject({ enabled: z.boolean(), clients: objects, stageEgress: objects }),
  monitoring: z.strictObject({
    serviceMonitor: z.strictObject({
      enabled: z.boolean(),
      interval: z.string().regex(/^\d+(ms|s|m)$/),
      labels,
    }),
    rules: z.strictObject({ enabled: z.boolean(), labels }),
    dashboards: z.strictObject({ enabled: z.boolean(), labels }),
  }),
  serviceAccount: z.strictObject({ annotations: labels }),
  podAnnotations: labels,
  podLabels: labels,
});
