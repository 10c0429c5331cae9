import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CertificateFiles } from '@tercet/certificates';
import { configFromArguments, maskSecrets, untilStopped } from '@tercet/config';
import { toTercetError, wire } from '@tercet/contracts';
import type { EngineThread } from '@tercet/engine-thread';
import type { FactJournal } from '@tercet/facts';
import type { GrpcServer } from '@tercet/grpc';
import type { TileCutter } from '@tercet/image';
import type { RoleHost } from '@tercet/stage';
import { type Log, type MetricsServer, openLog, type Tracer } from '@tercet/telemetry';
import type { SharedMemory, TensorPlane } from '@tercet/tensor-plane';
import {
  appModule,
  CERTIFICATES,
  CONTROL,
  ENGINE,
  FACTS,
  IMAGES,
  LOAD_REPORTS,
  LOG,
  MEMORY,
  METRICS_SERVER,
  ROLE_HOST,
  SERVER,
  TENSORS,
  TRACER,
} from './app.module.js';
import { readConfig, StageConfig } from './config.js';
import type { LoadReports } from './load-reports.js';
import type { Stage } from './stages.js';
import type { WorkerControl } from './worker-control.js';

const roles = {
  none: wire.Role.ROLE_UNSPECIFIED,
  encode: wire.Role.ROLE_ENCODE,
  prefill: wire.Role.ROLE_PREFILL,
  decode: wire.Role.ROLE_DECODE,
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  openLog({ service: 'stage' }).error('stage.start_failed', { error: toTercetError(error) });
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const config = configFromArguments(args, { schema: StageConfig, read: readConfig });
  if (config === undefined) return;
  const app = await NestFactory.createApplicationContext(appModule(config), { logger: false, abortOnError: false });
  const log = app.get<Log>(LOG);
  const host = app.get<RoleHost<Stage>>(ROLE_HOST);
  if (config.role !== 'none') await host.setRole(roles[config.role], BigInt(config.epoch), AbortSignal.abort());
  const metrics = app.get<MetricsServer | undefined>(METRICS_SERVER)?.endpoint;
  log.info('stage.ready', { role: config.role, epoch: host.state.epoch, metrics, config: maskSecrets(config) });
  process.send?.({ event: 'ready', metrics });
  log.info('stage.stopping', { reason: await untilStopped() });
  await stop(app, config);
  log.info('stage.stopped');
  process.exit(0);
}

/** In order: no new calls, running calls end and what they lent is read, then engine, tensors and memory go. */
async function stop(app: INestApplicationContext, { drainTimeoutMs }: StageConfig): Promise<void> {
  const patience = AbortSignal.timeout(drainTimeoutMs);
  await app.get<RoleHost<Stage>>(ROLE_HOST).stop(patience);
  app.get<FactJournal>(FACTS).close();
  app.get<WorkerControl>(CONTROL).close();
  await app.get<GrpcServer>(SERVER).close(AbortSignal.timeout(1000));
  await app.get<LoadReports>(LOAD_REPORTS)[Symbol.asyncDispose]();
  await app.get<MetricsServer | undefined>(METRICS_SERVER)?.[Symbol.asyncDispose]();
  await app.get<EngineThread>(ENGINE).close(AbortSignal.abort());
  await app.get<TensorPlane>(TENSORS).close();
  await app.get<TileCutter>(IMAGES)[Symbol.asyncDispose]();
  app.get<CertificateFiles | undefined>(CERTIFICATES)?.[Symbol.dispose]();
  app.get<SharedMemory>(MEMORY).close();
  await app.get<Tracer>(TRACER).close();
}
