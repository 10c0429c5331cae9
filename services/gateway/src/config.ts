import { homedir } from 'node:os';
import { join } from 'node:path';
import { CertificatesConfig } from '@tercet/certificates';
import { loadConfig } from '@tercet/config';
import { storeConfig } from '@tercet/control-store';
import { EventsConfig } from '@tercet/event-logs';
import { TracingConfig } from '@tercet/telemetry';
import { z } from 'zod';

const megabyte = 1024 * 1024;
const day = 24 * 3600 * 1000;
const stateFolder = join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'tercet');

const BatchesConfig = z.strictObject({
  /** Lines that run at a time, where requests leave the room. */
  runningMax: z.int().min(1).default(8),
  underWayMax: z.int().min(1).default(1000),
  linesMax: z.int().min(1).default(50_000),
  lineBytesMax: z
    .int()
    .min(1024)
    .default(16 * megabyte),
  fileBytesMax: z
    .int()
    .min(1024)
    .default(200 * megabyte),
  /** A line whose gateway has not been heard of for so long is run by another. */
  leaseMs: z.int().min(1000).default(10_000),
  pollMs: z.int().min(50).default(1000),
  /** A line that began so often without an end has failed. */
  attemptsMax: z.int().min(1).default(10),
  resultsKeptMs: z
    .int()
    .min(60_000)
    .default(30 * day),
});

export const GatewayConfig = z
  .strictObject({
    /** This gateway among others. */
    gatewayId: z
      .string()
      .regex(/^[a-z0-9-]{1,63}$/)
      .default('gateway'),
    http: z
      .strictObject({
        host: z.string().default('127.0.0.1'),
        port: z.int().min(0).max(65535).default(8080),
        bodyBytesMax: z
          .int()
          .min(1024)
          .default(64 * megabyte),
      })
      .prefault({}),
    /**
     * How long it still serves after it was told to stop, while those that balance forget it; each HTTP connection ends
     * with its next answer.
     */
    stopDelayMs: z.int().min(0).default(0),
    /** Public gRPC API: `host:port` or `unix:/path`. */
    grpcEndpoint: z.string().default('127.0.0.1:8081'),
    /** gRPC endpoints of the stage processes; `name:port` stands for every address of the name, now and later. */
    workers: z.array(z.string().min(1)).default([]),
    /** Mutual TLS with the stages; those behind Unix sockets need none. */
    tls: CertificatesConfig.exactOptional(),
    workerPollMs: z.int().min(100).default(1000),
    /** API keys and tenants of the control store; `tercet keys` makes them. */
    keys: z
      .strictObject({
        /** Where they are not, a request without one is anonymous. */
        required: z.boolean().default(false),
        /** How often the store is asked for changes: a revoked key works no longer than this. */
        pollMs: z.int().min(10).max(1000).default(250),
        /** While the store does not answer, what was read last holds for this long. */
        staleMsMax: z.int().min(1000).default(30_000),
      })
      .prefault({}),
    /**
     * gRPC endpoints of the controllers, named as the workers are: they are told what there is to do, and tell how the
     * pools stand. None where nobody moves pods.
     */
    controllers: z.array(z.string().min(1)).default([]),
    /** DNS name in the certificates of the controllers; absent, it is `tls.serverName`. */
    controllerName: z.string().min(1).exactOptional(),
    /** The process that keeps the collections; absent, there are none. */
    vectorIndex: z.strictObject({ endpoint: z.string().min(1) }).exactOptional(),
    models: z
      .array(
        z.strictObject({
          name: z.string().min(1),
          path: z.string().min(1),
          mmprojPath: z.string().exactOptional(),
          /** Tokens of prompt and answer together; what the stages were started with. */
          contextTokensMax: z.int().min(64).default(4096),
        }),
      )
      .min(1),
    /** Where ended requests are reported to. */
    events: EventsConfig,
    requests: z
      .strictObject({
        runningMax: z.int().min(1).default(128),
        /** Of one tenant, when all room is taken. Anonymous requests never wait. */
        waitingMax: z.int().min(0).default(32),
        waitMsMax: z.int().min(1).default(10_000),
        /** A class of priority that was passed over for so long, the lowest for twice as long, gets one request in. */
        agingMs: z.int().min(1).default(2000),
        timeoutMs: z.int().min(100).default(300_000),
        attemptsMax: z.int().min(1).default(4),
        /** How long a request waits for a pod of a stage, while one restarts for example. */
        podWaitMs: z.int().min(0).default(15_000),
        /** How long a request waits for a pool that sleeps, and how many may wait for one; they count as running. */
        holdMs: z.int().min(0).default(120_000),
        heldMax: z.int().min(0).default(32),
      })
      .prefault({}),
    routing: z
      .strictObject({
        /** `cache-aware`: where what is cached makes the first token earliest; `load`: to the least busy pod. */
        policy: z.enum(['load', 'cache-aware']).default('cache-aware'),
        /** Cached prompt blocks, and tiles, that are known of one pod at most; the oldest are forgotten first. */
        factKeysMax: z.int().min(1).default(262_144),
      })
      .prefault({}),
    /** What a request must meet to count as good in the metrics. */
    slo: z
      .strictObject({
        ttftMs: z.number().positive().default(1000),
        tpotMs: z.number().positive().default(100),
        attainment: z.number().gt(0).lt(1).default(0.95),
      })
      .prefault({}),
    tracing: TracingConfig.prefault({}),
    store: storeConfig(join(stateFolder, 'control.db')),
    batches: BatchesConfig.prefault({}),
    media: z
      .strictObject({
        imagesMax: z.int().min(0).default(16),
        bytesMax: z
          .int()
          .min(1)
          .default(20 * megabyte),
        pixelsMax: z.int().min(1).default(50_000_000),
        edgeMax: z.int().min(1).default(16_384),
        tilesMax: z.int().min(1).default(64),
        fetchTimeoutMs: z.int().min(1).default(10_000),
        redirectsMax: z.int().min(0).default(3),
        allowPrivateAddresses: z.boolean().default(false),
      })
      .prefault({}),
  })
  .readonly();

export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** @throws config_invalid */
export function readConfig(file?: string): GatewayConfig {
  const sources = { environment: process.env, section: 'GATEWAY', ...(file === undefined ? {} : { file }) };
  return loadConfig(GatewayConfig, sources);
}
