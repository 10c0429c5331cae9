import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { configFromArguments, maskSecrets, untilStopped } from '@tercet/config';
import { toTercetError } from '@tercet/contracts';
import type { EventLog } from '@tercet/event-log';
import type { GrpcServer } from '@tercet/grpc';
import { type Log, type MetricsServer, openLog } from '@tercet/telemetry';
import { appModule, EVENTS, LOAD_EVENTS, LOG, METRICS_SERVER, PODS, RECONCILER, SERVER } from './app.module.js';
import { runInCluster } from './cluster/run-in-cluster.js';
import { AnyConfig, type ControllerConfig, readConfig } from './config.js';
import type { LoadEvents } from './heard/load-events.js';
import type { WorkerPods } from './pods/worker-pods.js';
import type { Reconciler } from './reconcile.js';

try {
  await main(process.argv.slice(2));
} catch (error) {
  openLog({ service: 'controller' }).error('controller.start_failed', { error: toTercetError(error) });
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const config = configFromArguments(args, { schema: AnyConfig, read: readConfig });
  if (config === undefined) return;
  if (config.cluster === 'kubernetes') await runInCluster(config);
  else await runOnMachine(config);
  process.exit(0);
}

async function runOnMachine(config: ControllerConfig): Promise<void> {
  const app = await NestFactory.createApplicationContext(appModule(config), { logger: false, abortOnError: false });
  const log = app.get<Log>(LOG);
  const metrics = app.get<MetricsServer | undefined>(METRICS_SERVER)?.endpoint;
  log.info('controller.ready', { metrics, config: maskSecrets(config) });
  process.send?.({ event: 'ready', metrics });
  log.info('controller.stopping', { reason: await untilStopped() });
  await stop(app, config);
  log.info('controller.stopped');
}

/** In order: no new passes and calls, moves that run end or are left to the next controller, then the pods go. */
async function stop(app: INestApplicationContext, { drainTimeoutMs }: ControllerConfig): Promise<void> {
  const patience = AbortSignal.timeout(drainTimeoutMs);
  await app.get<Reconciler>(RECONCILER).stop(patience);
  await app.get<GrpcServer>(SERVER).close(AbortSignal.timeout(500));
  await app.get<LoadEvents>(LOAD_EVENTS)[Symbol.asyncDispose]();
  await app.get<EventLog | undefined>(EVENTS)?.[Symbol.asyncDispose]();
  await app.get<MetricsServer | undefined>(METRICS_SERVER)?.[Symbol.asyncDispose]();
  app.get<WorkerPods>(PODS)[Symbol.dispose]();
}
