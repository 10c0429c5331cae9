import { createServer, type Server } from 'node:http';
import { type DynamicModule, Module } from '@nestjs/common';
import { TercetError, toTercetError } from '@tercet/contracts';
import { GrpcServer } from '@tercet/grpc';
import type { ControlStore, Job } from '@tercet/jobs';
import { MediaFetcher } from '@tercet/media-fetch';
import { type Log, openLog, systemClock } from '@tercet/telemetry';
import { BatchRunner } from './batches/batch-runner.js';
import type { GatewayConfig } from './config.js';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import { refuseConnection } from './http/refuse-connection.js';
import { routesOf } from './http/router.js';
import { measured, measuredEmbeddings } from './measured.js';
import { GatewayMetrics } from './metrics.js';
import { ModelTable } from './models/model-table.js';
import { openModel } from './models/served-model.js';
import { Admission } from './pipeline/admission.js';
import { BackgroundAdmission } from './pipeline/background-admission.js';
import { Embeddings } from './pipeline/embeddings.js';
import { Pipeline } from './pipeline/pipeline.js';
import { grpcCalls } from './pods/grpc-calls.js';
import { type Pod, PodTable } from './pods/pod-table.js';
import { gatewayService } from './rpc.js';
import { openStore } from './store.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const MODELS = Symbol('models');
export const PODS = Symbol('pods');
export const ADMISSION = Symbol('admission');
export const GENERATE = Symbol('generate');
export const EMBED = Symbol('embed');
export const STORE = Symbol('store');
export const BATCHES = Symbol('batches');
export const HTTP_SERVER = Symbol('http server');
export const GRPC_SERVER = Symbol('grpc server');

/** The gateway process: models, the pods that serve them, the pipeline over both, and the APIs in front of it. */
@Module({
  providers: [
    { provide: LOG, useFactory: () => openLog({ service: 'gateway', pid: process.pid }) },
    { provide: METRICS, useFactory: () => new GatewayMetrics() },
    {
      provide: MODELS,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) => new ModelTable(models.map(openModel)),
    },
    {
      provide: PODS,
      inject: [CONFIG, LOG],
      useFactory: ({ workers, workerPollMs }: GatewayConfig, log: Log) =>
        new PodTable({ endpoints: workers, pollMs: workerPollMs, clock: systemClock, log }),
    },
    {
      provide: ADMISSION,
      inject: [CONFIG],
      useFactory: ({ requests }: GatewayConfig) => new Admission(requests.runningMax),
    },
    {
      provide: GENERATE,
      inject: [CONFIG, ADMISSION, PODS, METRICS, LOG],
      useFactory: (config: GatewayConfig, admission: Admission, ...parts: WorkParts) =>
        generateBehind(admission, config, parts),
    },
    {
      provide: EMBED,
      inject: [CONFIG, ADMISSION, PODS, METRICS, LOG],
      useFactory: (config: GatewayConfig, admission: Admission, ...parts: WorkParts) =>
        embedBehind(admission, config, parts),
    },
    { provide: STORE, inject: [CONFIG], useFactory: ({ store }: GatewayConfig) => openStore(store) },
    {
      provide: BATCHES,
      inject: [CONFIG, STORE, ADMISSION, MODELS, PODS, METRICS, LOG],
      useFactory: (config: GatewayConfig, store: ControlStore, ...parts: BatchParts) => {
        const [admission, models, ...work] = parts;
        const background = new BackgroundAdmission(admission, config.batches.runningMax);
        const ways = {
          generate: generateBehind(background, config, work),
          embed: embedBehind(background, config, work),
        };
        const [, metrics, log] = work;
        const { batches: limits } = config;
        return new BatchRunner({ store, routes: { models, metrics, ...ways }, background, log, limits });
      },
    },
    {
      provide: GRPC_SERVER,
      inject: [CONFIG, MODELS, GENERATE, EMBED],
      useFactory: ({ grpcEndpoint }: GatewayConfig, models: ModelTable, generate: Generate, embed: Embed) =>
        GrpcServer.open(grpcEndpoint, [gatewayService({ models, generate, embed })]),
    },
    {
      provide: HTTP_SERVER,
      inject: [CONFIG, MODELS, PODS, ADMISSION, GENERATE, EMBED, METRICS, LOG, STORE, BATCHES],
      useFactory: (config: GatewayConfig, ...parts: HttpParts) => {
        const [models, pods, admission, generate, embed, metrics, log, store, batches] = parts;
        const { bodyBytesMax } = config.http;
        const { fileBytesMax, underWayMax } = config.batches;
        const stored = { store, fileBytesMax, underWayMax, onChange: (job: Job) => batches.changed(job) };
        const app = routesOf({ models, generate, embed, metrics, pods, admission, bodyBytesMax, log, ...stored });
        const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 120_000 }, app);
        return listen(server.on('clientError', refuseConnection), config);
      },
    },
  ],
})
export class AppModule {}

type WorkParts = [PodTable, GatewayMetrics, Log];
type BatchParts = [Admission, ModelTable, ...WorkParts];
type HttpParts = [ModelTable, PodTable, Admission, Generate, Embed, GatewayMetrics, Log, ControlStore, BatchRunner];
type Entrance = Pick<Admission, 'enter'>;

function generateBehind(admission: Entrance, config: GatewayConfig, [pods, metrics, log]: WorkParts): Generate {
  const { requests: limits, media } = config;
  const prepare = { fetcher: fetcherOf(media), limits: media };
  const options = { pods, calls: grpcCalls, prepare, admission, clock: systemClock, log, limits };
  return measured(new Pipeline<Pod>(options), metrics);
}

function embedBehind(admission: Entrance, config: GatewayConfig, [pods, metrics, log]: WorkParts): Embed {
  const { requests: limits } = config;
  const options = { pods, calls: grpcCalls, admission, clock: systemClock, log, limits };
  return measuredEmbeddings(new Embeddings<Pod>(options), metrics);
}

/** The module of a process with this configuration. */
export function appModule(config: GatewayConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
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
