import { loadConfig } from '@tercet/config';
import { z } from 'zod';

const megabyte = 1024 * 1024;

export const GatewayConfig = z
  .strictObject({
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
    /** Public gRPC API: `host:port` or `unix:/path`. */
    grpcEndpoint: z.string().default('127.0.0.1:8081'),
    /** gRPC endpoints of the stage processes. */
    workers: z.array(z.string().min(1)).default([]),
    workerPollMs: z.int().min(100).default(1000),
    /** gRPC endpoints of the controllers, for the view of the cluster; none where nobody moves pods. */
    controllers: z.array(z.string().min(1)).default([]),
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
    requests: z
      .strictObject({
        runningMax: z.int().min(1).default(128),
        timeoutMs: z.int().min(100).default(300_000),
        attemptsMax: z.int().min(1).default(4),
        /** How long a request waits for a pod of a stage, while one restarts for example. */
        podWaitMs: z.int().min(0).default(15_000),
      })
      .prefault({}),
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
