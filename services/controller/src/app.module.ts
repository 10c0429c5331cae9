import { type DynamicModule, Module } from '@nestjs/common';
import { Controller, type PoolSpec } from '@tercet/controller-core';
import { GrpcServer } from '@tercet/grpc';
import { type Log, openLog, systemClock } from '@tercet/telemetry';
import { believedShape } from './believed-shape.js';
import type { ControllerConfig } from './config.js';
import { LedgerFile } from './ledger/ledger-file.js';
import { WorkerPods } from './pods/worker-pods.js';
import { Reconciler } from './reconcile.js';
import { controllerService } from './rpc.js';
import { poolStatus } from './status.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const PODS = Symbol('pods');
export const CONTROLLER = Symbol('controller');
export const RECONCILER = Symbol('reconciler');
export const SERVER = Symbol('server');

/** The controller process: the pods of a pool, what was written down of them, and a pass at an interval. */
@Module({
  providers: [
    {
      provide: LOG,
      inject: [CONFIG],
      useFactory: ({ model }: ControllerConfig) => openLog({ service: 'controller', model, pid: process.pid }),
    },
    {
      provide: PODS,
      inject: [CONFIG],
      useFactory: ({ model, workers }: ControllerConfig) => new WorkerPods({ model, endpoints: workers }),
    },
    {
      provide: CONTROLLER,
      inject: [CONFIG, PODS, LOG],
      useFactory: (config: ControllerConfig, pods: WorkerPods, log: Log) =>
        Controller.open({
          spec: specOf(config),
          pods,
          store: new LedgerFile(config.ledgerPath),
          shape: believedShape(config.group),
          mustBeMeasured: true,
          switchMs: config.switchMs,
          clock: systemClock,
          onFailure: ({ podId, role, expectedEpoch }, error) =>
            log.error('role.not_changed', { podId, role, expectedEpoch, error }),
        }),
    },
    {
      provide: RECONCILER,
      inject: [CONFIG, CONTROLLER, PODS, LOG],
      useFactory: ({ passMs }: ControllerConfig, controller: Controller, pods: WorkerPods, log: Log) =>
        new Reconciler({ controller, pods, passMs, clock: systemClock, log, onPass: () => undefined }),
    },
    {
      provide: SERVER,
      inject: [CONFIG, CONTROLLER, PODS, RECONCILER],
      useFactory: (config: ControllerConfig, ...parts: [Controller, WorkerPods, Reconciler]) => {
        const [controller, pods, reconciler] = parts;
        const { model, grpcEndpoint } = config;
        const spec = specOf(config);
        const status = () => poolStatus({ model, spec, controller, pods, last: reconciler.last });
        return GrpcServer.open(grpcEndpoint, [controllerService({ controller, status })]);
      },
    },
  ],
})
export class AppModule {}

/** The module of a process with this configuration. */
export function appModule(config: ControllerConfig): DynamicModule {
  return { module: AppModule, providers: [{ provide: CONFIG, useValue: config }] };
}

function specOf(config: ControllerConfig): PoolSpec {
  const { policy, slo, least, most, unavailableMax, dwellMs, gainMin, urgentGain } = config;
  const { drainTimeoutMs, verifyMs, lossMax } = config;
  const limits = { least, most, unavailableMax, dwellMs, gainMin, urgentGain };
  return { policy, slo, ...limits, drainTimeoutMs, verifyMs, lossMax };
}
