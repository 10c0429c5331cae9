import { availableParallelism } from 'node:os';
import { CertificatesConfig } from '@tercet/certificates';
import { loadConfig } from '@tercet/config';
import { EventsConfig } from '@tercet/event-logs';
import { MetricsConfig, TracingConfig } from '@tercet/telemetry';
import { z } from 'zod';

const megabyte = 1024 * 1024;

const Listen = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('unix'), path: z.string().min(1) }),
  z.strictObject({
    kind: z.literal('tcp'),
    host: z.string().min(1),
    port: z.int().min(0).max(65535),
    advertise: z.string().exactOptional(),
  }),
]);

/** One stage process. It starts without a role; whoever runs it assigns one through worker control. */
export const StageConfig = z
  .strictObject({
    podId: z.string().regex(/^[a-z0-9-]{1,63}$/),
    /** `unix:/path` or `host:port`. */
    grpcEndpoint: z.string().min(1),
    tensors: Listen,
    /** Mutual TLS with every process on another machine, for calls and tensors; Unix sockets need none. */
    tls: CertificatesConfig.extend({
      /** Names of those who may call: gateways and controllers. Absent: every peer with a certificate. */
      callers: z.array(z.string().min(1)).min(1).exactOptional(),
      /** Of these, who may change roles and drain. Absent: all of them. */
      controllers: z.array(z.string().min(1)).min(1).exactOptional(),
      /** Each pod's certificate has its id as a DNS name: a tensor is then read by the pod that it is for alone. */
      namesPods: z.boolean().default(false),
    }).exactOptional(),
    /** Whether processes of this machine map each other's tensors; without it they go through `tensors`. */
    sharedMemory: z.boolean().default(true),
    /** Grows with each start of this pod, so that a lease never survives a restart: the time, where nobody counts. */
    generation: z
      .int()
      .min(0)
      .default(() => Math.floor(Date.now() / 1000)),
    /** Role and epoch that were recorded for this pod; `none` waits for an assignment. */
    role: z.enum(['none', 'encode', 'prefill', 'decode']).default('none'),
    epoch: z.int().min(0).default(0),
    /** Socket of the device arbiter; without it this process has its cores to itself. */
    arbiterSocket: z.string().optional(),
    threads: z.int().min(1).default(availableParallelism()),
    /** Where `GET /metrics` is answered, and `GET /readyz`: whether a role is served now; absent, nobody is. */
    metrics: MetricsConfig.exactOptional(),
    tracing: TracingConfig.prefault({}),
    /** Where load reports are written to. */
    events: EventsConfig,
    drainTimeoutMs: z.int().min(0).default(10_000),
    model: z.strictObject({
      name: z.string().min(1),
      path: z.string().min(1),
      mmprojPath: z.string().optional(),
    }),
    engine: z
      .strictObject({
        contextTokensMax: z.int().min(64).default(4096),
        slotCount: z.int().min(1).max(256).default(16),
        kvBlocksMax: z.int().min(4).default(2048),
        stepTokensMax: z.int().min(64).default(512),
        /** Whole KV blocks of 16 tokens. */
        chunkTokens: z.int().min(64).multipleOf(16).default(256),
        chunkWaitStepsMax: z.int().min(0).default(4),
        agedSteps: z.int().min(1).default(64),
        waitingMax: z.int().min(1).default(256),
        stepTilesMax: z.int().min(1).default(4),
        decodeAheadTokens: z.int().min(1).default(128),
        layerGroups: z.int().min(1).default(4),
      })
      .refine((engine) => engine.stepTokensMax >= engine.chunkTokens, 'stepTokensMax must be at least chunkTokens')
      .prefault({}),
    leases: z
      .strictObject({
        ttlMs: z.int().min(100).default(30_000),
        quarantineMs: z.int().min(0).default(60_000),
        max: z.int().min(1).default(1024),
      })
      .prefault({}),
    encode: z
      .strictObject({
        tileCacheBytes: z
          .int()
          .min(0)
          .default(256 * megabyte),
        tilesMax: z.int().min(1).default(256),
        pixelsMax: z.int().min(1).default(50_000_000),
      })
      .prefault({}),
  })
  .readonly();

export type StageConfig = z.infer<typeof StageConfig>;

/** @throws config_invalid */
export function readConfig(file?: string): StageConfig {
  const sources = { environment: process.env, section: 'STAGE', ...(file === undefined ? {} : { file }) };
  return loadConfig(StageConfig, sources);
}
