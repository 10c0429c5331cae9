import { type DynamicModule, Module } from '@nestjs/common';
import { type CertificateFiles, openCertificates } from '@tercet/certificates';
import { CollectionStore } from '@tercet/collection-store';
import { TercetError } from '@tercet/contracts';
import { GrpcServer } from '@tercet/grpc';
import { type Log, MetricsServer, openLog, ServiceMetrics, systemClock } from '@tercet/telemetry';
import { CollectionCalls } from './collection-calls.js';
import type { VectorIndexConfig } from './config.js';
import { watchCollections } from './index-metrics.js';
import { MeasuredCalls } from './measured-calls.js';
import { vectorIndexService } from './rpc.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const CERTIFICATES = Symbol('certificates');
export const METRICS = Symbol('metrics');
export const METRICS_SERVER = Symbol('metrics server');
export const STORE = Symbol('store');
export const CALLS = Symbol('calls');
export const SERVER = Symbol('server');

/** The process that keeps collections: their files, their points in memory, and the calls over both. */
@Module({
  providers: [
    { provide: LOG, useFactory: () => openLog({ service: 'vector-index', pid: process.pid }) },
    {
      provide: CERTIFICATES,
      inject: [CONFIG, LOG],
      useFactory: ({ tls }: VectorIndexConfig, log: Log) =>
        openCertificates(tls, (error) => log.error('certificates.not_renewed', { error })),
    },
    { provide: METRICS, useFactory: () => new ServiceMetrics('vector-index') },
    {
      provide: STORE,
      inject: [CONFIG, METRICS, LOG],
      useFactory: (config: VectorIndexConfig, metrics: ServiceMetrics<'vector-index'>, log: Log) => {
        const { limits, routes, folder, backupFolder, openMax, writesWaitingMax, logBytesMax } = config;
        return CollectionStore.open({
          folder,
          backupFolder,
          openMax,
          writesWaitingMax,
          logBytesMax,
          limits,
          collectionsMax: limits.collectionsMax,
          memoryOf: () => ({ clock: systemClock, routes }),
          onSnapshot: (outcome) => {
            const failed = outcome instanceof TercetError;
            metrics.count('tercet_index_snapshots_total', { outcome: failed ? 'failed' : 'ok' });
            if (failed && outcome.code !== 'shutting_down') log.error('index.snapshot_failed', { error: outcome });
          },
        });
      },
    },
    {
      provide: CALLS,
      inject: [CONFIG, STORE],
      useFactory: ({ limits, behindMsMax }: VectorIndexConfig, store: CollectionStore) =>
        new CollectionCalls({ store, limits, behindMsMax }),
    },
    {
      provide: METRICS_SERVER,
      inject: [CONFIG, METRICS, STORE, CALLS],
      useFactory: ({ metrics: listen }: VectorIndexConfig, ...parts: MetricsParts) => {
        const [metrics, store, calls] = parts;
        watchCollections(metrics, { store, calls });
        return listen && MetricsServer.open(listen, metrics);
      },
    },
    {
      provide: SERVER,
      inject: [CONFIG, CALLS, METRICS, CERTIFICATES, LOG],
      useFactory: ({ grpcEndpoint, tls }: VectorIndexConfig, ...parts: ServerParts) => {
        const [calls, metrics, certificates, log] = parts;
        const onDamage = (error: TercetError) => log.error('index.failed', { error });
        const measured = new MeasuredCalls({ metrics, clock: systemClock, onDamage });
        const options = certificates && { tls: { certificates }, peers: tls?.callers };
        return GrpcServer.open(grpcEndpoint, [vectorIndexService(calls, measured)], options);
      },
    },
  ],
})
export class AppModule {}

type MetricsParts = [ServiceMetrics<'vector-index'>, CollectionStore, CollectionCalls];
type ServerParts = [CollectionCalls, ServiceMetrics<'vector-index'>, CertificateFiles | undefined, Log];

/** The module of a process with this configuration. */
export function appModule(config: VectorIndexConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}
