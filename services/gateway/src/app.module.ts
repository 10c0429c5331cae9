import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { type DynamicModule, Module } from '@nestjs/common';
import { CertificateFiles } from '@tercet/certificates';
import { TercetError, toTercetError } from '@tercet/contracts';
import { GrpcServer } from '@tercet/grpc';
import { SqliteKeyStore } from '@tercet/key-store';
import { MediaFetcher } from '@tercet/media-fetch';
import { type Log, openLog, openTracer, systemClock, type Tracer } from '@tercet/telemetry';
import { unlimited } from '@tercet/tenancy';
import { Access } from './access/access.js';
import { KeyRing } from './access/key-ring.js';
import type { GatewayConfig } from './config.js';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import { refuseConnection } from './http/refuse-connection.js';
import { routesOf } from './http/router.js';
import { measured, measuredEmbeddings } from './measured.js';
import { GatewayMetrics } from './metrics.js';
import { ModelTable } from './models/model-table.js';
import { rolesFor } from './models/roles-for.js';
import { openModel } from './models/served-model.js';
import { Admission } from './pipeline/admission.js';
import { Embeddings } from './pipeline/embeddings.js';
import { Pipeline } from './pipeline/pipeline.js';
import { grpcCalls } from './pods/grpc-calls.js';
import { type Pod, PodTable } from './pods/pod-table.js';
import { gatewayService } from './rpc.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const TRACER = Symbol('tracer');
export const CERTIFICATES = Symbol('certificates');
export const KEYS = Symbol('keys');
export const ACCESS = Symbol('access');
export const MODELS = Symbol('models');
export const PODS = Symbol('pods');
export const ADMISSION = Symbol('admission');
export const PIPELINE = Symbol('pipeline');
export const GENERATE = Symbol('generate');
export const EMBED = Symbol('embed');
export const HTTP_SERVER = Symbol('http server');
export const GRPC_SERVER = Symbol('grpc server');

/** The gateway process: models, the pods that serve them, the pipeline over both, and the APIs in front of it. */
@Module({
  providers: [
    { provide: LOG, useFactory: () => openLog({ service: 'gateway' }) },
    {
      provide: METRICS,
      inject: [CONFIG, MODELS, PODS],
      useFactory: ({ slo, requests }: GatewayConfig, models: ModelTable, pods: PodTable) => {
        const metrics = new GatewayMetrics({ slo, runningMax: requests.runningMax });
        metrics.watchPods(
          models.all.map((model) => ({ model: model.name, roles: rolesFor(model) })),
          () => pods.ready(),
        );
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
        tls &&
        new CertificateFiles(tls, { ...tls, onBadChange: (error) => log.error('certificates.not_renewed', { error }) }),
    },
    {
      provide: KEYS,
      inject: [CONFIG, LOG],
      useFactory: ({ keys }: GatewayConfig, log: Log) => openKeys(keys, log),
    },
    {
      provide: ACCESS,
      inject: [CONFIG, KEYS],
      useFactory: ({ keys: { required } }: GatewayConfig, keys: KeyRing | undefined) => new Access({ keys, required }),
    },
    {
      provide: MODELS,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) => new ModelTable(models.map(openModel)),
    },
    {
      provide: PODS,
      inject: [CONFIG, CERTIFICATES, LOG],
      useFactory: (config: GatewayConfig, certificates: CertificateFiles | undefined, log: Log) => {
        const { workers: endpoints, workerPollMs: pollMs } = config;
        const tls = certificates && { ...config.tls, certificates };
        return new PodTable({ endpoints, pollMs, tls, clock: systemClock, log });
      },
    },
    {
      provide: ADMISSION,
      inject: [CONFIG, KEYS, METRICS],
      useFactory: ({ requests }: GatewayConfig, keys: KeyRing | undefined, metrics: GatewayMetrics) =>
        new Admission({
          limits: { ...requests, tenantsMax: 10_000 },
          waitMsMax: requests.waitMsMax,
          limitsOf: (tenant) => keys?.limitsOf(tenant) ?? unlimited,
          clock: systemClock,
          onChange: (counts) => metrics.admitted(counts),
        }),
    },
    {
      provide: PIPELINE,
      inject: [CONFIG, PODS, ADMISSION, LOG],
      useFactory: ({ requests, media }: GatewayConfig, pods: PodTable, admission: Admission, log: Log) =>
        new Pipeline<Pod>({
          pods,
          calls: grpcCalls,
          prepare: { fetcher: fetcherOf(media), limits: media },
          admission,
          clock: systemClock,
          log,
          limits: requests,
        }),
    },
    {
      provide: GENERATE,
      inject: [PIPELINE, METRICS, TRACER],
      useFactory: (pipeline: Pipeline<Pod>, metrics: GatewayMetrics, tracer: Tracer) =>
        measured(pipeline, { metrics, tracer, clock: systemClock }),
    },
    {
      provide: EMBED,
      inject: [CONFIG, PODS, ADMISSION, METRICS, TRACER, LOG],
      useFactory: ({ requests: limits }: GatewayConfig, ...parts: EmbedParts) => {
        const [pods, admission, metrics, tracer, log] = parts;
        const options = { pods, calls: grpcCalls, admission, clock: systemClock, log, limits };
        return measuredEmbeddings(new Embeddings<Pod>(options), { metrics, tracer, clock: systemClock });
      },
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
      inject: [CONFIG, MODELS, PODS, ACCESS, ADMISSION, GENERATE, EMBED, METRICS, LOG],
      useFactory: (config: GatewayConfig, ...parts: HttpParts) => {
        const [models, pods, access, admission, generate, embed, metrics, log] = parts;
        const { bodyBytesMax } = config.http;
        const app = routesOf({ models, generate, embed, metrics, pods, access, admission, bodyBytesMax, log });
        const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 120_000 }, app);
        return listen(server.on('clientError', refuseConnection), config);
      },
    },
  ],
})
export class AppModule {}

type EmbedParts = [PodTable, Admission, GatewayMetrics, Tracer, Log];
type RpcParts = [ModelTable, Access, Generate, Embed];
type HttpParts = [ModelTable, PodTable, Access, Admission, Generate, Embed, GatewayMetrics, Log];

/** The module of a process with this configuration. */
export function appModule(config: GatewayConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}

/** @throws store_unavailable */
async function openKeys({ path, pollMs, staleMsMax }: GatewayConfig['keys'], log: Log): Promise<KeyRing | undefined> {
  if (path === undefined) return undefined;
  return KeyRing.open({ store: SqliteKeyStore.open(path), clock: systemClock, log, pollMs, staleMsMax });
}

function fetcherOf(media: GatewayConfig['media']): MediaFetcher {
  const { bytesMax, redirectsMax, fetchTimeoutMs: totalMs, allowPrivateAddresses: allowPrivate } = media;
  return new MediaFetcher({ bytesMax, redirectsMax, totalMs, allowPrivate });
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
