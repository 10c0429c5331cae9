import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { type DynamicModule, Module } from '@nestjs/common';
import { type CertificateFiles, openCertificates } from '@tercet/certificates';
import { TercetError, toTercetError } from '@tercet/contracts';
import { openControlStore, type SqlControlStore } from '@tercet/control-store';
import type { EventLog } from '@tercet/event-log';
import { openEventLog } from '@tercet/event-logs';
import { GrpcServer } from '@tercet/grpc';
import type { ControlStore, Job } from '@tercet/jobs';
import { type Log, openLog, openTracer, systemClock, type Tracer } from '@tercet/telemetry';
import { unlimited } from '@tercet/tenancy';
import { Access } from './access/access.js';
import { GatewayCount } from './access/gateway-count.js';
import { KeyRing } from './access/key-ring.js';
import { BatchRunner } from './batches/batch-runner.js';
import { JobEvents } from './batches/job-events.js';
import { Collections } from './collections/collections.js';
import { VectorIndexClient } from './collections/vector-index.js';
import type { GatewayConfig } from './config.js';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import { refuseConnection } from './http/refuse-connection.js';
import { routesOf } from './http/router.js';
import { GatewayMetrics } from './metrics.js';
import { ModelTable } from './models/model-table.js';
import { rolesFor } from './models/roles-for.js';
import { openModel } from './models/served-model.js';
import { OutcomeReports } from './outcome-reports.js';
import { Admission } from './pipeline/admission.js';
import { BackgroundAdmission } from './pipeline/background-admission.js';
import { byCache, byLoad } from './pipeline/choose.js';
import { Demand } from './pipeline/demand.js';
import { Holding } from './pipeline/holding.js';
import type { Chooser } from './pipeline/plan.js';
import { discoveryOf } from './pods/discovery.js';
import { ModelCosts } from './pods/model-costs.js';
import { PodTable } from './pods/pod-table.js';
import { PoolWatch } from './pods/pool-watch.js';
import { gatewayService } from './rpc.js';
import { embedBehind, generateBehind, type WorkParts } from './work.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const TRACER = Symbol('tracer');
export const CERTIFICATES = Symbol('certificates');
export const KEYS = Symbol('keys');
export const GATEWAY_COUNT = Symbol('gateway count');
export const ACCESS = Symbol('access');
export const MODELS = Symbol('models');
export const PODS = Symbol('pods');
export const COSTS = Symbol('costs');
export const CHOOSER = Symbol('chooser');
export const DEMAND = Symbol('demand');
export const POOLS = Symbol('pools');
export const HOLDING = Symbol('holding');
export const ADMISSION = Symbol('admission');
export const WORK = Symbol('work');
export const EVENTS = Symbol('events');
export const OUTCOMES = Symbol('outcomes');
export const GENERATE = Symbol('generate');
export const EMBED = Symbol('embed');
export const STORE = Symbol('store');
export const BATCHES = Symbol('batches');
export const INDEX = Symbol('index');
export const COLLECTIONS = Symbol('collections');
export const HTTP_SERVER = Symbol('http server');
export const GRPC_SERVER = Symbol('grpc server');

/** The gateway process: models, the pods that serve them, the pipeline over both, and the APIs in front of it. */
@Module({
  providers: [
    { provide: LOG, useFactory: () => openLog({ service: 'gateway', pid: process.pid }) },
    {
      provide: METRICS,
      inject: [CONFIG, MODELS, PODS, DEMAND, CERTIFICATES],
      useFactory: ({ slo, requests }: GatewayConfig, models: ModelTable, ...parts: MeasuredParts) => {
        const [pods, demand, certificates] = parts;
        const metrics = new GatewayMetrics({ slo, runningMax: requests.runningMax });
        if (certificates !== undefined) metrics.watchCertificate(certificates);
        metrics.watchDemand(demand);
        metrics.watchPods(
          models.all.map((model) => ({ model: model.name, roles: rolesFor(model) })),
          () => pods.ready(),
        );
        metrics.watchFacts(() => pods.facts());
        return metrics;
      },
    },
    {
      provide: TRACER,
      inject: [CONFIG, METRICS],
      useFactory: ({ tracing }: GatewayConfig, metrics: GatewayMetrics) =>
        openTracer(tracing, {
          service: 'gateway',
          instance: hostname(),
          onExport: (outcome) => metrics.exported(outcome),
        }),
    },
    {
      provide: CERTIFICATES,
      inject: [CONFIG, LOG],
      useFactory: ({ tls }: GatewayConfig, log: Log) =>
        openCertificates(tls, (error) => log.error('certificates.not_renewed', { error })),
    },
    {
      provide: KEYS,
      inject: [CONFIG, STORE, LOG],
      useFactory: ({ keys }: GatewayConfig, { keys: store }: SqlControlStore, log: Log) => {
        const { pollMs, staleMsMax } = keys;
        return KeyRing.open({ store, clock: systemClock, log, pollMs, staleMsMax });
      },
    },
    {
      provide: GATEWAY_COUNT,
      inject: [STORE, LOG],
      useFactory: ({ presence }: SqlControlStore, log: Log) => GatewayCount.open({ presence, log }),
    },
    {
      provide: ACCESS,
      inject: [CONFIG, KEYS, METRICS],
      useFactory: (config: GatewayConfig, keys: KeyRing, metrics: GatewayMetrics) =>
        new Access({ keys, required: config.keys.required, onRefused: (reason) => metrics.keyRefused(reason) }),
    },
    {
      provide: MODELS,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) => new ModelTable(models.map(openModel)),
    },
    {
      provide: DEMAND,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) =>
        new Demand(
          models.map(({ name }) => name),
          systemClock,
        ),
    },
    {
      provide: POOLS,
      inject: [CONFIG, DEMAND, CERTIFICATES, LOG],
      useFactory: (config: GatewayConfig, demand: Demand, ...parts: [CertificateFiles | undefined, Log]) => {
        const [certificates, log] = parts;
        const { gatewayId, controllers, controllerName, workerPollMs: pollMs, tls } = config;
        const names = controllerName === undefined ? {} : { serverName: controllerName };
        return new PoolWatch({
          ...{ gatewayId, discovery: discoveryOf(controllers), pollMs, log, demand: () => demand.report() },
          tls: certificates && { ...tls, ...names, certificates },
        });
      },
    },
    {
      provide: COSTS,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) => new ModelCosts(models.map(({ name }) => name)),
    },
    {
      provide: CHOOSER,
      inject: [CONFIG, COSTS],
      useFactory: ({ routing }: GatewayConfig, costs: ModelCosts) =>
        routing.policy === 'load' ? byLoad : byCache((model) => costs.prefill(model)),
    },
    {
      provide: PODS,
      inject: [CONFIG, COSTS, POOLS, CERTIFICATES, LOG],
      useFactory: (config: GatewayConfig, costs: ModelCosts, ...parts: PodsParts) => {
        const [pools, certificates, log] = parts;
        const { policy, factKeysMax } = config.routing;
        const knowing = policy === 'load' ? undefined : { costs, factKeysMax };
        const discovery = discoveryOf(config.workers);
        const { workerPollMs: pollMs } = config;
        const tls = certificates && { ...config.tls, certificates };
        const isTrusted = (podId: string) => !pools.isDistrusted(podId);
        return new PodTable({ discovery, pollMs, isTrusted, knowing, tls, clock: systemClock, log });
      },
    },
    {
      provide: ADMISSION,
      inject: [CONFIG, KEYS, GATEWAY_COUNT, METRICS],
      useFactory: ({ requests }: GatewayConfig, keys: KeyRing, ...parts: [GatewayCount, GatewayMetrics]) => {
        const [count, metrics] = parts;
        return new Admission({
          limits: { ...requests, tenantsMax: 10_000 },
          waitMsMax: requests.waitMsMax,
          limitsOf: (tenant) => count.partOf(keys.limitsOf(tenant) ?? unlimited),
          clock: systemClock,
          onChange: (counts) => metrics.admitted(counts),
          onRefused: (limit) => metrics.roomless(limit),
        });
      },
    },
    {
      provide: EVENTS,
      inject: [CONFIG, METRICS],
      useFactory: ({ events, gatewayId }: GatewayConfig, { observe }: GatewayMetrics) =>
        openEventLog(events, { producer: gatewayId, clock: systemClock, observe }),
    },
    {
      provide: OUTCOMES,
      inject: [CONFIG, EVENTS, LOG],
      useFactory: ({ gatewayId, models: served }: GatewayConfig, events: EventLog | undefined, log: Log) => {
        const models = served.map(({ name }) => name);
        return new OutcomeReports({ events, gatewayId, models, clock: systemClock, log });
      },
    },
    {
      provide: HOLDING,
      inject: [CONFIG, PODS, POOLS, DEMAND],
      useFactory: ({ requests: limits }: GatewayConfig, pods: PodTable, pools: PoolWatch, demand: Demand) =>
        new Holding({ pods, pools, demand, limits, clock: systemClock }),
    },
    {
      provide: WORK,
      inject: [CONFIG, PODS, CHOOSER, HOLDING, METRICS, TRACER, OUTCOMES, LOG],
      useFactory: (
        config: GatewayConfig,
        ...[pods, chooser, holding, metrics, tracer, outcomes, log]: WorkedWith
      ): WorkParts => ({ config, pods, chooser, holding, metrics, tracer, outcomes, log }),
    },
    { provide: GENERATE, inject: [ADMISSION, WORK], useFactory: generateBehind },
    { provide: EMBED, inject: [ADMISSION, WORK], useFactory: embedBehind },
    {
      provide: STORE,
      inject: [CONFIG],
      useFactory: ({ store }: GatewayConfig) => openControlStore(store, systemClock),
    },
    {
      provide: BATCHES,
      inject: [STORE, ADMISSION, MODELS, EVENTS, WORK, INDEX],
      useFactory: (store: ControlStore, admission: Admission, ...parts: BatchParts) => {
        const [models, eventLog, work, index] = parts;
        const { config, metrics, log } = work;
        const background = new BackgroundAdmission(admission, config.batches.runningMax);
        const ways = { generate: generateBehind(background, work), embed: embedBehind(background, work) };
        const events = eventLog && new JobEvents({ events: eventLog, clock: systemClock, log });
        const collections = new Collections({ models, index, embed: ways.embed });
        const routes = { models, metrics, collections, ...ways };
        const telling = { metrics: metrics.batches, events, log };
        return new BatchRunner({ store, routes, background, limits: config.batches, ...telling });
      },
    },
    {
      provide: INDEX,
      inject: [CONFIG, CERTIFICATES],
      useFactory: ({ vectorIndex, tls }: GatewayConfig, certificates: CertificateFiles | undefined) =>
        new VectorIndexClient(vectorIndex && { ...vectorIndex, tls: certificates && { ...tls, certificates } }),
    },
    {
      provide: COLLECTIONS,
      inject: [MODELS, EMBED, INDEX],
      useFactory: (models: ModelTable, embed: Embed, index: VectorIndexClient) =>
        new Collections({ models, embed, index }),
    },
    {
      provide: GRPC_SERVER,
      inject: [CONFIG, MODELS, ACCESS, GENERATE, EMBED],
      useFactory: ({ grpcEndpoint }: GatewayConfig, ...parts: RpcParts) => {
        const [models, access, generate, embed] = parts;
        return GrpcServer.open(grpcEndpoint, [gatewayService({ models, access, generate, embed })]);
      },
    },
    {
      provide: HTTP_SERVER,
      inject: [WORK, MODELS, POOLS, ACCESS, ADMISSION, GENERATE, EMBED, STORE, BATCHES, COLLECTIONS],
      useFactory: ({ config, pods, metrics, log }: WorkParts, ...parts: HttpParts) => {
        const [models, pools, access, admission, generate, embed, store, batches, collections] = parts;
        const { bodyBytesMax } = config.http;
        const { fileBytesMax, underWayMax } = config.batches;
        const stored = { store, fileBytesMax, underWayMax, onChange: (job: Job) => batches.changed(job) };
        const ways = { generate, embed, metrics, pods, pools, collections, bodyBytesMax, log };
        const app = routesOf({ models, access, admission, ...ways, ...stored });
        const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 120_000 }, app);
        return listen(server.on('clientError', refuseConnection), config);
      },
    },
  ],
})
export class AppModule {}

type PodsParts = [PoolWatch, CertificateFiles | undefined, Log];
type WorkedWith = [PodTable, Chooser, Holding, GatewayMetrics, Tracer, OutcomeReports, Log];
type MeasuredParts = [PodTable, Demand, CertificateFiles | undefined];
type BatchParts = [ModelTable, EventLog | undefined, WorkParts, VectorIndexClient];
type RpcParts = [ModelTable, Access, Generate, Embed];
type HttpParts = [ModelTable, PoolWatch, Access, Admission, Generate, Embed, ControlStore, BatchRunner, Collections];

/** The module of a process with this configuration. */
export function appModule(config: GatewayConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}

/** @throws port_in_use, config_invalid */
async function listen(server: Server, { http }: GatewayConfig): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(http.port, http.host, resolve);
  try {
    await promise;
    return server;
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const { host, port } = http;
    throw new TercetError(taken ? 'port_in_use' : 'config_invalid', { host, port }, { cause: toTercetError(cause) });
  }
}
