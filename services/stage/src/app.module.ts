import { type DynamicModule, Module } from '@nestjs/common';
import { type CertificateFiles, openCertificates } from '@tercet/certificates';
import { wire } from '@tercet/contracts';
import { EngineThread } from '@tercet/engine-thread';
import { openEventLog } from '@tercet/event-logs';
import type { FactJournal } from '@tercet/facts';
import { GrpcServer } from '@tercet/grpc';
import { openTileCutter, type TileCutter } from '@tercet/image';
import { loadKernels } from '@tercet/kernels';
import { RoleHost } from '@tercet/stage';
import {
  type Log,
  MetricsServer,
  observeEventLog,
  openLog,
  openTracer,
  type ServiceMetrics,
  systemClock,
  type Tracer,
} from '@tercet/telemetry';
import { SharedMemory, TensorPlane } from '@tercet/tensor-plane';
import type { StageConfig } from './config.js';
import { openFacts } from './facts.js';
import { LoadReports } from './load-reports.js';
import { MeasuredCalls } from './measured-calls.js';
import { servicesOf } from './rpc.js';
import { stageMetrics, watchSteps } from './stage-metrics.js';
import { type Stage, stagesOf } from './stages.js';
import { WorkerControl } from './worker-control.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const CERTIFICATES = Symbol('certificates');
export const MEMORY = Symbol('memory');
export const ENGINE = Symbol('engine');
export const FACTS = Symbol('facts');
export const TENSORS = Symbol('tensors');
export const IMAGES = Symbol('images');
export const ROLE_HOST = Symbol('role host');
export const METRICS = Symbol('metrics');
export const METRICS_SERVER = Symbol('metrics server');
export const TRACER = Symbol('tracer');
export const CONTROL = Symbol('control');
export const LOAD_REPORTS = Symbol('load reports');
export const SERVER = Symbol('server');

/** One stage process: an engine, the tensors that it lends and reads, a role, and the calls that it answers. */
@Module({
  providers: [
    {
      provide: LOG,
      inject: [CONFIG],
      useFactory: ({ podId }: StageConfig) => openLog({ service: 'stage', podId, pid: process.pid }),
    },
    {
      provide: CERTIFICATES,
      inject: [CONFIG, LOG],
      useFactory: ({ tls }: StageConfig, log: Log) =>
        openCertificates(tls, (error) => log.error('certificates.not_renewed', { error })),
    },
    {
      provide: MEMORY,
      inject: [CONFIG],
      useFactory: ({ sharedMemory }: StageConfig) => SharedMemory.open({ isPrivate: !sharedMemory }),
    },
    {
      provide: ENGINE,
      inject: [CONFIG, MEMORY, LOG],
      useFactory: (config: StageConfig, memory: SharedMemory, log: Log) =>
        EngineThread.open({
          script: new URL('./engine-worker.js', import.meta.url),
          data: config,
          allocateArena: (bytes) => {
            const arena = memory.allocate({ bytes, label: 'kv' });
            return { address: arena.address, view: arena.view() };
          },
          onCrash: (error) => {
            log.error('stage.engine_crashed', { error });
            process.exit(1);
          },
        }),
    },
    {
      provide: TENSORS,
      inject: [CONFIG, MEMORY, CERTIFICATES],
      useFactory: (
        { tensors, generation, leases, tls }: StageConfig,
        memory: SharedMemory,
        certificates: CertificateFiles | undefined,
      ) =>
        TensorPlane.open({
          listen: tensors,
          tls: tls && certificates && { ...tls, certificates },
          generation: BigInt(generation),
          clock: systemClock,
          memory,
          kernels: loadKernels(),
          leaseTtlMs: leases.ttlMs,
          quarantineMs: leases.quarantineMs,
          leasesMax: leases.max,
        }),
    },
    {
      provide: IMAGES,
      inject: [CONFIG],
      useFactory: ({ encode }: StageConfig) => openTileCutter({ pixelsMax: encode.pixelsMax }),
    },
    { provide: FACTS, inject: [ENGINE], useFactory: openFacts },
    {
      provide: ROLE_HOST,
      inject: [CONFIG, ENGINE, TENSORS, IMAGES, FACTS],
      useFactory: (config: StageConfig, ...parts: StageParts) => {
        const [engine, tensors, images, facts] = parts;
        const { cutTiles } = images;
        return new RoleHost<Stage>({
          mount: stagesOf(config, { engine, tensors, cutTiles, warmImages: () => images.warm(), facts }),
          epoch: BigInt(config.epoch),
          clock: systemClock,
          onChange: (state) => facts.setRole(state),
        });
      },
    },
    {
      provide: METRICS,
      inject: [ROLE_HOST, ENGINE, TENSORS, FACTS, CERTIFICATES],
      useFactory: (host: RoleHost<Stage>, ...parts: MeasuredParts) => {
        const [engine, tensors, facts, certificates] = parts;
        return stageMetrics({ host, engine, tensors, facts, certificates });
      },
    },
    {
      provide: METRICS_SERVER,
      inject: [CONFIG, METRICS, ENGINE, ROLE_HOST],
      useFactory: ({ metrics: listen }: StageConfig, ...parts: MetricsParts) => {
        if (listen === undefined) return undefined;
        const [metrics, engine, host] = parts;
        watchSteps(metrics, engine);
        const isReady = () => host.state.phase === wire.Phase.PHASE_READY;
        return MetricsServer.open({ ...listen, isReady }, metrics);
      },
    },
    {
      provide: TRACER,
      inject: [CONFIG, METRICS],
      useFactory: ({ tracing, podId }: StageConfig, metrics: ServiceMetrics<'stage'>) =>
        openTracer(tracing, {
          service: 'stage',
          instance: podId,
          onExport: (outcome) => metrics.count('tercet_trace_exports_total', { outcome }),
        }),
    },
    {
      provide: CONTROL,
      inject: [CONFIG, ROLE_HOST, ENGINE, TENSORS, METRICS, LOG],
      useFactory: (config: StageConfig, ...parts: ControlParts) => {
        const [host, engine, { endpoint: tensorEndpoint }, metrics, log] = parts;
        const { podId, grpcEndpoint } = config;
        return new WorkerControl({ podId, host, engine, grpcEndpoint, tensorEndpoint, metrics, log });
      },
    },
    {
      provide: LOAD_REPORTS,
      inject: [CONFIG, CONTROL, METRICS, LOG],
      useFactory: async ({ events, podId }: StageConfig, ...parts: ReportParts) => {
        const [control, metrics, log] = parts;
        const writer = { producer: podId, clock: systemClock, observe: observeEventLog(metrics) };
        const eventLog = await openEventLog(events, writer);
        return new LoadReports({ events: eventLog, control, podId, log });
      },
    },
    {
      provide: SERVER,
      inject: [CONFIG, ROLE_HOST, CONTROL, FACTS, METRICS, TRACER, CERTIFICATES],
      useFactory: ({ grpcEndpoint, tls }: StageConfig, ...parts: ServerParts) => {
        const [host, control, facts, metrics, tracer, certificates] = parts;
        const calls = new MeasuredCalls({ metrics, tracer, clock: systemClock });
        const options = certificates && { tls: { certificates }, peers: tls?.callers };
        // Behind a Unix socket nobody has a name.
        const controllers = grpcEndpoint.startsWith('unix:') ? undefined : tls?.controllers;
        return GrpcServer.open(grpcEndpoint, servicesOf({ host, control, facts, calls, controllers }), options);
      },
    },
  ],
})
export class AppModule {}

type MetricsParts = [ServiceMetrics<'stage'>, EngineThread, RoleHost<Stage>];
type ControlParts = [RoleHost<Stage>, EngineThread, TensorPlane, ServiceMetrics<'stage'>, Log];
type StageParts = [EngineThread, TensorPlane, TileCutter, FactJournal];
type MeasuredParts = [EngineThread, TensorPlane, FactJournal, CertificateFiles | undefined];
type ReportParts = [WorkerControl, ServiceMetrics<'stage'>, Log];
type ServerParts = [
  RoleHost<Stage>,
  WorkerControl,
  FactJournal,
  ServiceMetrics<'stage'>,
  Tracer,
  CertificateFiles | undefined,
];

/** The module of a process with this configuration. */
export function appModule(config: StageConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}
