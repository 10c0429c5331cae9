import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CertificateFiles } from '@tercet/certificates';
import type { CollectionStore } from '@tercet/collection-store';
import { configFromArguments, maskSecrets, untilStopped } from '@tercet/config';
import { toTercetError } from '@tercet/contracts';
import type { GrpcServer } from '@tercet/grpc';
import { type Log, type MetricsServer, openLog } from '@tercet/telemetry';
import { appModule, CERTIFICATES, LOG, METRICS_SERVER, SERVER, STORE } from './app.module.js';
import { readConfig, VectorIndexConfig } from './config.js';

const drainTimeoutMs = 10_000;

try {
  await main(process.argv.slice(2));
} catch (error) {
  openLog({ service: 'vector-index' }).error('vector-index.start_failed', { error: toTercetError(error) });
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const config = configFromArguments(args, { schema: VectorIndexConfig, read: readConfig });
  if (config === undefined) return;
  const app = await NestFactory.createApplicationContext(appModule(config), { logger: false, abortOnError: false });
  const log = app.get<Log>(LOG);
  const metrics = app.get<MetricsServer | undefined>(METRICS_SERVER)?.endpoint;
  log.info('vector-index.ready', { metrics, config: maskSecrets(config) });
  process.send?.({ event: 'ready', metrics });
  log.info('vector-index.stopping', { reason: await untilStopped() });
  await stop(app);
  log.info('vector-index.stopped');
  process.exit(0);
}

/** In order: no new calls, running calls end, what they wrote is closed, then the rest goes. */
async function stop(app: INestApplicationContext): Promise<void> {
  await app.get<GrpcServer>(SERVER).close(AbortSignal.timeout(drainTimeoutMs));
  await app.get<CollectionStore>(STORE)[Symbol.asyncDispose]();
  await app.get<MetricsServer | undefined>(METRICS_SERVER)?.[Symbol.asyncDispose]();
  app.get<CertificateFiles | undefined>(CERTIFICATES)?.[Symbol.dispose]();
}
