import { MediaFetcher } from '@tercet/media-fetch';
import { type Log, systemClock, type Tracer } from '@tercet/telemetry';
import type { GatewayConfig } from './config.js';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import { measured, measuredEmbeddings } from './measured.js';
import type { GatewayMetrics } from './metrics.js';
import type { OutcomeReports } from './outcome-reports.js';
import type { Admission } from './pipeline/admission.js';
import { Embeddings } from './pipeline/embeddings.js';
import type { Holding } from './pipeline/holding.js';
import { Pipeline } from './pipeline/pipeline.js';
import type { Chooser } from './pipeline/plan.js';
import { RouteReports } from './pipeline/route-reports.js';
import { grpcCalls } from './pods/grpc-calls.js';
import type { Pod, PodTable } from './pods/pod-table.js';

/** What requests are worked on with, whichever door they came in by. */
export interface WorkParts {
  readonly config: GatewayConfig;
  readonly pods: PodTable;
  readonly chooser: Chooser;
  readonly holding: Holding;
  readonly metrics: GatewayMetrics;
  readonly tracer: Tracer;
  readonly outcomes: OutcomeReports;
  readonly log: Log;
}

/** Requests enter by one door, batch lines by another. */
type Entrance = Pick<Admission, 'enter'>;

/** Answers, behind an entrance. */
export function generateBehind(admission: Entrance, { config, pods, log, ...parts }: WorkParts): Generate {
  const { requests: limits, media } = config;
  const prepare = { fetcher: fetcherOf(media), limits: media };
  const { chooser, holding } = parts;
  const routes = new RouteReports(log, parts.metrics);
  const known = { pods, holding, chooser, routes, calls: grpcCalls, clock: systemClock, log, limits };
  const pipeline = new Pipeline<Pod>({ ...known, prepare, admission });
  return measured(pipeline, { ...parts, clock: systemClock });
}

/** Vectors, behind an entrance. */
export function embedBehind(admission: Entrance, { config, pods, holding, log, ...parts }: WorkParts): Embed {
  const { requests: limits } = config;
  const known = { pods, holding, calls: grpcCalls, clock: systemClock, log, limits };
  const embeddings = new Embeddings<Pod>({ ...known, admission });
  return measuredEmbeddings(embeddings, { ...parts, clock: systemClock });
}

function fetcherOf(media: GatewayConfig['media']): MediaFetcher {
  const { bytesMax, redirectsMax, fetchTimeoutMs: totalMs, allowPrivateAddresses: allowPrivate } = media;
  return new MediaFetcher({ bytesMax, redirectsMax, totalMs, allowPrivate });
}
