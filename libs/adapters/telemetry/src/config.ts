import { z } from 'zod';

/** Where a process without HTTP of its own answers `GET /metrics`. Port 0 takes a free one, which the log names. */
export const MetricsConfig = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65535),
});

/** Where the spans of a process go. Without an endpoint there are none, and tracing costs nothing. */
export const TracingConfig = z.strictObject({
  /** OTLP over HTTP, for example `http://collector:4318/v1/traces`. */
  endpoint: z.url({ protocol: /^https?$/ }).exactOptional(),
  /** Share of the requests without a trace of their own that are traced; a caller's decision is followed. */
  sampleRatio: z.number().min(0).max(1).default(1),
  /** Spans that may wait; more are dropped. */
  spansMax: z.int().min(1).max(1_000_000).default(2048),
  exportIntervalMs: z.int().min(10).default(1000),
  exportTimeoutMs: z.int().min(10).default(5000),
});

export type TracingConfig = z.infer<typeof TracingConfig>;
