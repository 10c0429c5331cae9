import { type DynamicModule, Module } from '@nestjs/common';
import { Controller, type PoolSpec, type Wish } from '@tercet/controller-core';
import type { EventLog } from '@tercet/event-log';
import { openEventLog } from '@tercet/event-logs';
import { GrpcServer } from '@tercet/grpc';
import { type Log, MetricsServer, observeEventLog, openLog, ServiceMetrics, systemClock } from '@tercet/telemetry';
import { believedShape } from './believed-shape.js';
import type { ControllerConfig } from './config.js';
import { DemandBook } from './demand-book.js';
import { LoadEvents } from './heard/load-events.js';
import { LedgerFile } from './ledger/ledger-file.js';
import { PassReporter } from './pass-reporter.js';
import { WorkerPods } from './pods/worker-pods.js';
import { PoolMetrics } from './pool-metrics.js';
import { type PassReport, Reconciler } from './reconcile.js';
import { controllerService } from './rpc.js';
import { SimulationThread } from './simulation/simulation-thread.js';
import { poolStatus } from './status.js';

export const CONFIG = Symbol('config');
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const METRICS_SERVER = Symbol('metrics server');
export const SIMULATION = Symbol('simulation');
export const PODS = Symbol('pods');
export const CONTROLLER = Symbol('controller');
export const EVENTS = Symbol('events');
export const LOAD_EVENTS = Symbol('load events');
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
      provide: METRICS,
      useFactory: () => {
        const metrics = new ServiceMetrics('controller');
        metrics.set('tercet_controller_leads', {}, 1);
        return metrics;
      },
    },
    {
      provide: METRICS_SERVER,
      inject: [CONFIG, METRICS],
      useFactory: ({ metrics: listen }: ControllerConfig, metrics: ServiceMetrics<'controller'>) =>
        listen && MetricsServer.open(listen, metrics),
    },
    {
      provide: SIMULATION,
      inject: [LOG],
      useFactory: (log: Log) =>
        new SimulationThread((error) => {
          log.error('controller.simulation_crashed', { error });
          process.exit(1);
        }),
    },
    {
      provide: PODS,
      inject: [CONFIG],
      useFactory: ({ model, workers }: ControllerConfig) => new WorkerPods({ model, endpoints: workers }),
    },
    {
      provide: CONTROLLER,
      inject: [CONFIG, PODS, SIMULATION, LOG],
      useFactory: (config: ControllerConfig, pods: WorkerPods, simulation: SimulationThread, log: Log) =>
        Controller.open({
          spec: specOf(config),
          pods,
          simulation,
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
      provide: EVENTS,
      inject: [CONFIG, METRICS],
      useFactory: ({ events, model }: ControllerConfig, metrics: ServiceMetrics<'controller'>) =>
        openEventLog(events, {
          producer: `controller-${model}`,
          clock: systemClock,
          observe: observeEventLog(metrics),
        }),
    },
    {
      provide: LOAD_EVENTS,
      inject: [CONFIG, EVENTS, CONTROLLER, PODS, LOG],
      useFactory: ({ model }: ControllerConfig, ...parts: [EventLog | undefined, Controller, WorkerPods, Log]) => {
        const [events, controller, pods, log] = parts;
        const isOurs = (id: string) => pods.statuses.some(({ podId }) => podId === id);
        return new LoadEvents({ events, model, controller, isOurs, clock: systemClock, log });
      },
    },
    {
      provide: REPORTER,
      inject: [PODS, EVENTS, LOG],
      useFactory: (pods: WorkerPods, events: EventLog | undefined, log: Log) =>
        new PassReporter({ pods, events, log, clock: systemClock }),
    },
    {
      provide: RECONCILER,
      inject: [CONFIG, CONTROLLER, PODS, REPORTER, METRICS, LOG],
      useFactory: ({ passMs, model: pool }: ControllerConfig, ...parts: ReconcilerParts) => {
        const [controller, pods, reporter, metrics, log] = parts;
        const poolMetrics = new PoolMetrics({ metrics, pool, controller, pods });
        const onReport = (report: PassReport) => {
          poolMetrics.report(report);
          if (report.kind === 'made') reporter.report(report.pass);
        };
        return new Reconciler({ controller, pods, passMs, clock: systemClock, log, onReport });
      },
    },
    {
      provide: SERVER,
      inject: [CONFIG, CONTROLLER, PODS, RECONCILER, REPORTER],
      useFactory: (config: ControllerConfig, ...parts: [Controller, WorkerPods, Reconciler, PassReporter]) => {
        const [controller, pods, reconciler, reporter] = parts;
        const { model, grpcEndpoint } = config;
        const known = { name: model, model, spec: specOf(config), controller, pods, reporter };
        const status = () => poolStatus({ ...known, last: reconciler.last });
        const move = async (wish: Wish) => {
          // A move that was begun is seen through, whether the caller waits or not.
          await controller.setRole(wish, new AbortController().signal);
          await reconciler.pass();
          return status();
        };
        const demand = new DemandBook(systemClock);
        return GrpcServer.open(grpcEndpoint, [controllerService({ pools: () => [status()], move, demand })]);
      },
    },
  ],
})
export class AppModule {}

type ReconcilerParts = [Controller, WorkerPods, PassReporter, ServiceMetrics<'controller'>, Log];

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
