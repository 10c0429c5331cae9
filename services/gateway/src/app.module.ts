import { createServer, type Server } from 'node:http';
import { type DynamicModule, Module } from '@nestjs/common';
import { TercetError, toTercetError } from '@tercet/contracts';
import { GrpcServer } from '@tercet/grpc';
import { MediaFetcher } from '@tercet/media-fetch';
import { type Log, openLog, systemClock } from '@tercet/telemetry';
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
import { Embeddings } from './pipeline/embeddings.js';
import { Pipeline } from './pipeline/pipeline.js';
import { grpcCalls } from './pods/grpc-calls.js';
import { type Pod, PodTable } from './pods/pod-table.js';
import { PoolWatch } from './pods/pool-watch.js';
import { gatewayService } from './rpc.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const MODELS = Symbol('models');
export const PODS = Symbol('pods');
export const POOLS = Symbol('pools');
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
    { provide: METRICS, useFactory: () => new GatewayMetrics() },
    {
      provide: MODELS,
      inject: [CONFIG],
      useFactory: ({ models }: GatewayConfig) => new ModelTable(models.map(openModel)),
    },
    {
      provide: POOLS,
      inject: [CONFIG, LOG],
      useFactory: ({ controllers, workerPollMs }: GatewayConfig, log: Log) =>
        new PoolWatch({ endpoints: controllers, pollMs: workerPollMs, log }),
    },
    {
      provide: PODS,
      inject: [CONFIG, POOLS, LOG],
      useFactory: ({ workers, workerPollMs: pollMs }: GatewayConfig, pools: PoolWatch, log: Log) => {
        const isTrusted = (podId: string) => !pools.isDistrusted(podId);
        return new PodTable({ endpoints: workers, pollMs, isTrusted, clock: systemClock, log });
      },
    },
    {
      provide: ADMISSION,
      inject: [CONFIG],
      useFactory: ({ requests }: GatewayConfig) => new Admission(requests.runningMax),
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
      inject: [PIPELINE, METRICS],
      useFactory: (pipeline: Pipeline<Pod>, metrics: GatewayMetrics) => measured(pipeline, metrics),
    },
    {
      provide: EMBED,
      inject: [CONFIG, PODS, ADMISSION, METRICS, LOG],
      useFactory: ({ requests: limits }: GatewayConfig, ...parts: EmbedParts) => {
        const [pods, admission, metrics, log] = parts;
        const options = { pods, calls: grpcCalls, admission, clock: systemClock, log, limits };
        return measuredEmbeddings(new Embeddings<Pod>(options), metrics);
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
      inject: [CONFIG, MODELS, PODS, POOLS, ADMISSION, GENERATE, EMBED, METRICS, LOG],
      useFactory: (config: GatewayConfig, ...parts: HttpParts) => {
        const [models, pods, pools, admission, generate, embed, metrics, log] = parts;
        const { bodyBytesMax } = config.http;
        const app = routesOf({ models, generate, embed, metrics, pods, pools, admission, bodyBytesMax, log });
        const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 120_000 }, app);
        return listen(server.on('clientError', refuseConnection), config);
      },
    },
  ],
})
export class AppModule {}

type EmbedParts = [PodTable, Admission, GatewayMetrics, Log];
type HttpParts = [ModelTable, PodTable, PoolWatch, Admission, Generate, Embed, GatewayMetrics, Log];

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
