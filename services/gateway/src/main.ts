import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { configFromArguments, maskSecrets, untilStopped } from '@tercet/config';
import { toTercetError } from '@tercet/contracts';
import type { GrpcServer } from '@tercet/grpc';
import { type Log, openLog } from '@tercet/telemetry';
import { ADMISSION, appModule, GRPC_SERVER, HTTP_SERVER, LOG, PODS, POOLS } from './app.module.js';
import { GatewayConfig, readConfig } from './config.js';
import type { Admission } from './pipeline/admission.js';
import type { PodTable } from './pods/pod-table.js';
import type { PoolWatch } from './pods/pool-watch.js';

const drainTimeoutMs = 30_000;

try {
  await main(process.argv.slice(2));
} catch (error) {
  openLog({ service: 'gateway' }).error('gateway.start_failed', { error: toTercetError(error) });
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const config = configFromArguments(args, { schema: GatewayConfig, read: readConfig });
  if (config === undefined) return;
  const app = await NestFactory.createApplicationContext(appModule(config), { logger: false, abortOnError: false });
  const log = app.get<Log>(LOG);
  const { address, port } = app.get<Server>(HTTP_SERVER).address() as AddressInfo;
  log.info('gateway.ready', { host: address, port, config: maskSecrets(config) });
  process.send?.({ event: 'ready', host: address, port });
  log.info('gateway.stopping', { reason: await untilStopped() });
  await stop(app);
  log.info('gateway.stopped');
  process.exit(0);
}

/** In order: no new requests, running ones finish or run out of patience, then connections and pods go. */
async function stop(app: INestApplicationContext): Promise<void> {
  const server = app.get<Server>(HTTP_SERVER);
  const closed = new Promise((resolve) => server.close(resolve));
  const patience = new Promise((resolve) => setTimeout(resolve, drainTimeoutMs).unref());
  await Promise.race([app.get<Admission>(ADMISSION).close(), patience]);
  server.closeIdleConnections();
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
  server.closeAllConnections();
  await app.get<GrpcServer>(GRPC_SERVER).close(AbortSignal.timeout(500));
  app.get<PodTable>(PODS)[Symbol.dispose]();
  app.get<PoolWatch>(POOLS)[Symbol.dispose]();
}
