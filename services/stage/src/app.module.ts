import { type DynamicModule, Module } from '@nestjs/common';
import { EngineThread } from '@tercet/engine-thread';
import { GrpcServer } from '@tercet/grpc';
import { openTileCutter, type TileCutter } from '@tercet/image';
import { loadKernels } from '@tercet/kernels';
import { RoleHost } from '@tercet/stage';
import { type Log, openLog, systemClock } from '@tercet/telemetry';
import { SharedMemory, TensorPlane } from '@tercet/tensor-plane';
import type { StageConfig } from './config.js';
import { openEvents } from './events.js';
import { LoadReports } from './load-reports.js';
import { servicesOf } from './rpc.js';
import { type Stage, stagesOf } from './stages.js';
import { WorkerControl } from './worker-control.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const MEMORY = Symbol('memory');
export const ENGINE = Symbol('engine');
export const TENSORS = Symbol('tensors');
export const IMAGES = Symbol('images');
export const ROLE_HOST = Symbol('role host');
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
    { provide: MEMORY, useFactory: () => SharedMemory.open() },
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
      inject: [CONFIG, MEMORY],
      useFactory: ({ tensors, generation, leases }: StageConfig, memory: SharedMemory) =>
        TensorPlane.open({
          listen: tensors,
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
    {
      provide: ROLE_HOST,
      inject: [CONFIG, ENGINE, TENSORS, IMAGES],
      useFactory: (config: StageConfig, engine: EngineThread, tensors: TensorPlane, images: TileCutter) =>
        new RoleHost<Stage>({
          mount: stagesOf(config, { engine, tensors, cutTiles: images.cutTiles, warmImages: () => images.warm() }),
          epoch: BigInt(config.epoch),
          clock: systemClock,
        }),
    },
    {
      provide: CONTROL,
      inject: [CONFIG, ROLE_HOST, ENGINE, TENSORS, LOG],
      useFactory: (config: StageConfig, ...parts: [RoleHost<Stage>, EngineThread, TensorPlane, Log]) => {
        const [host, engine, { endpoint: tensorEndpoint }, log] = parts;
        const { podId, grpcEndpoint } = config;
        return new WorkerControl({ podId, host, engine, grpcEndpoint, tensorEndpoint, log });
      },
    },
    {
      provide: LOAD_REPORTS,
      inject: [CONFIG, CONTROL, LOG],
      useFactory: async ({ events, podId }: StageConfig, control: WorkerControl, log: Log) =>
        new LoadReports({ events: await openEvents(events, podId), control, podId, log }),
    },
    {
      provide: SERVER,
      inject: [CONFIG, ROLE_HOST, CONTROL],
      useFactory: ({ grpcEndpoint }: StageConfig, host: RoleHost<Stage>, control: WorkerControl) =>
        GrpcServer.open(grpcEndpoint, servicesOf(host, control)),
    },
  ],
})
export class AppModule {}

/** The module of a process with this configuration. */
export function appModule(config: StageConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}
