import { type DynamicModule, Module } from '@nestjs/common';
import { Controller, type Pass, type PoolSpec } from '@tercet/controller-core';
import { GrpcServer } from '@tercet/grpc';
import { type Log, openLog, systemClock } from '@tercet/telemetry';
import { believedShape } from './believed-shape.js';
import type { ControllerConfig } from './config.js';
import { LedgerFile } from './ledger/ledger-file.js';
import { PassReporter } from './pass-reporter.js';
import { WorkerPods } from './pods/worker-pods.js';
import { Reconciler } from './reconcile.js';
import { controllerService } from './rpc.js';
import { poolStatus } from './status.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const PODS = Symbol('pods');
export const CONTROLLER = Symbol('controller');
export const REPORTER = Symbol('reporter');
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
      provide: REPORTER,
      inject: [PODS, LOG],
      useFactory: (pods: WorkerPods, log: Log) => new PassReporter({ pods, log, publish: () => undefined }),
    },
    {
      provide: RECONCILER,
      inject: [CONFIG, CONTROLLER, PODS, REPORTER, LOG],
      useFactory: ({ passMs }: ControllerConfig, ...parts: [Controller, WorkerPods, PassReporter, Log]) => {
        const [controller, pods, reporter, log] = parts;
        const onPass = (pass: Pass) => reporter.report(pass);
        return new Reconciler({ controller, pods, passMs, clock: systemClock, log, onPass });
      },
    },
    {
      provide: SERVER,
      inject: [CONFIG, CONTROLLER, PODS, RECONCILER, REPORTER],
      useFactory: (config: ControllerConfig, ...parts: [Controller, WorkerPods, Reconciler, PassReporter]) => {
        const [controller, pods, reconciler, reporter] = parts;
        const { model, grpcEndpoint } = config;
        const known = { model, spec: specOf(config), controller, pods };
        const status = () => poolStatus({ ...known, last: reconciler.last, findings: reporter.counts });
        return GrpcServer.open(grpcEndpoint, [
          controllerService({ controller, pass: () => reconciler.pass(), status }),
        ]);
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
