import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CertificateFiles } from '@tercet/certificates';
import { configFromArguments, maskSecrets, untilStopped } from '@tercet/config';
import { toTercetError } from '@tercet/contracts';
import type { GrpcServer } from '@tercet/grpc';
import type { ControlStore } from '@tercet/jobs';
import { type Log, openLog, type Tracer } from '@tercet/telemetry';
import type { GatewayCount } from './access/gateway-count.js';
import type { KeyRing } from './access/key-ring.js';
import {
  ADMISSION,
  appModule,
  BATCHES,
  CERTIFICATES,
  GATEWAY_COUNT,
  GRPC_SERVER,
  HTTP_SERVER,
  INDEX,
  KEYS,
  LOG,
  OUTCOMES,
  PODS,
  POOLS,
  STORE,
  TRACER,
} from './app.module.js';
import type { BatchRunner } from './batches/batch-runner.js';
import type { VectorIndexClient } from './collections/vector-index.js';
import { GatewayConfig, readConfig } from './config.js';
import type { OutcomeReports } from './outcome-reports.js';
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
  const host = address.includes(':') ? `[${address}]` : address;
  process.send?.({ event: 'ready', port, metrics: `${host}:${port}` });
  log.info('gateway.stopping', { reason: await untilStopped() });
  await leave(app, config);
  await stop(app);
  log.info('gateway.stopped');
  process.exit(0);
}

/** Serves on while balancers forget this process, and sends clients that keep a connection to another one. */
async function leave(app: INestApplicationContext, { stopDelayMs }: GatewayConfig): Promise<void> {
  if (stopDelayMs === 0) return;
  const server = app.get<Server>(HTTP_SERVER);
  server.prependListener('request', (_, response) => response.setHeader('Connection', 'close'));
  await sleep(stopDelayMs);
}

/**
 * In order: no new requests, batch lines are given back, running requests finish or run out of patience, then
 * connections, pods and the stores go. Until the last has finished it says to everybody who asks that it stops.
 */
async function stop(app: INestApplicationContext): Promise<void> {
  const server = app.get<Server>(HTTP_SERVER);
  const patience = new Promise((resolve) => setTimeout(resolve, drainTimeoutMs).unref());
  const drained = app.get<Admission>(ADMISSION).close();
  await app.get<BatchRunner>(BATCHES)[Symbol.asyncDispose]();
  await Promise.race([drained, patience]);
  const closed = new Promise((resolve) => server.close(resolve));
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
  server.closeAllConnections();
  await app.get<GrpcServer>(GRPC_SERVER).close(AbortSignal.timeout(500));
  app.get<PodTable>(PODS)[Symbol.dispose]();
  app.get<PoolWatch>(POOLS)[Symbol.dispose]();
  app.get<VectorIndexClient>(INDEX)[Symbol.dispose]();
  await app.get<OutcomeReports>(OUTCOMES)[Symbol.asyncDispose]();
  app.get<CertificateFiles | undefined>(CERTIFICATES)?.[Symbol.dispose]();
  await app.get<KeyRing>(KEYS)[Symbol.asyncDispose]();
  await app.get<GatewayCount>(GATEWAY_COUNT)[Symbol.asyncDispose]();
  await app.get<Tracer>(TRACER).close();
  await app.get<ControlStore>(STORE)[Symbol.asyncDispose]();
}
