import { CertificatesConfig } from '@tercet/certificates';
import { loadConfig } from '@tercet/config';
import { MetricsConfig } from '@tercet/telemetry';
import { z } from 'zod';

const kilobyte = 1024;
const megabyte = 1024 * kilobyte;

/** The process that keeps collections of vectors, on one machine. */
export const VectorIndexConfig = z
  .strictObject({
    /** `unix:/path` or `host:port`. */
    grpcEndpoint: z.string().min(1),
    /** Mutual TLS with every process on another machine; Unix sockets need none. */
    tls: CertificatesConfig.extend({
      /** Names of those who may call: gateways. Absent: every peer with a certificate. */
      callers: z.array(z.string().min(1)).min(1).exactOptional(),
    }).exactOptional(),
    /** Where `GET /metrics` is answered, and `GET /readyz`; absent, nobody is. */
    metrics: MetricsConfig.exactOptional(),
    /** Where collections are kept. */
    folder: z.string().min(1),
    /** Where backups go, a folder each. Another disk than `folder` is on, where there is one. */
    backupFolder: z.string().min(1),
    limits: z
      .strictObject({
        /** Of one tenant. */
        collectionsMax: z.int().min(1).default(1000),
        /** Of one collection. */
        pointsMax: z.int().min(1).max(0xffff_fff0).default(10_000_000),
        dimensionsMax: z.int().min(1).max(65_536).default(4096),
        fieldsMax: z.int().min(0).default(64),
        idCharsMax: z.int().min(1).max(65_536).default(512),
        payloadBytesMax: z
          .int()
          .min(2)
          .default(64 * kilobyte),
        /** Points of one write and of one answer, and k. */
        callPointsMax: z.int().min(1).default(4096),
        /** Queries of one search. */
        queriesMax: z.int().min(1).default(256),
        /** Searches that are answered at a time; one more is refused. */
        searchesMax: z.int().min(1).default(256),
      })
      .prefault({}),
    /** Collections in memory; beyond, those that were not used for longest are closed. */
    openMax: z.int().min(1).default(256),
    /** Writes of one collection that wait for the disk; one more is refused. */
    writesWaitingMax: z.int().min(1).default(1024),
    /** A log that is longer, and longer than half the last snapshot, is given up for a new one. */
    logBytesMax: z
      .int()
      .min(megabyte)
      .default(256 * megabyte),
    /** How long a search waits for a write that it is told to see. */
    behindMsMax: z.int().min(0).default(5000),
    routes: z
      .strictObject({
        /** Up to so many vectors are all compared, and up to this share of a collection that a filter lets through. */
        scanVectorsMax: z.int().min(0).default(4096),
        scanShareMax: z.number().min(0).max(1).default(0.01),
      })
      .prefault({}),
  })
  .readonly();

export type VectorIndexConfig = z.infer<typeof VectorIndexConfig>;

/** @throws config_invalid */
export function readConfig(file?: string): VectorIndexConfig {
  const sources = { environment: process.env, section: 'VECTOR_INDEX', ...(file === undefined ? {} : { file }) };
  return loadConfig(VectorIndexConfig, sources);
}
