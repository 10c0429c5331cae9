import { errorTable } from './errors.js';
import { type Buckets, exportedBy, type Metric, type MetricType, type ServiceName } from './metric.js';
import { phaseNames, roleNames } from './names.js';

/** Parts of TTFT in the order of the critical path; they add up to it. */
export const ttftParts = ['queue', 'mediaFetch', 'encode', 'mediaTransfer', 'prefillQueue', 'prefill'] as const;
export type TtftPart = (typeof ttftParts)[number];

/** Every span of a trace: the request, the parts of its TTFT, and what follows. The same words as in the metrics. */
export const spanNames = ['request', ...ttftParts, 'kvTransfer', 'handover', 'decode'] as const;
export type SpanName = (typeof spanNames)[number];

/** Topics of the event log; the port `@tercet/event-log` has the same. */
const topic = ['load', 'roles', 'jobs', 'results', 'vectors', 'cache'] as const;

/** Why a caller was not let in: what was wrong with its key, or `scope`: the key may do other things only. */
export const keyRefusals = ['no key', 'not the form of a key', 'not known', 'revoked', 'expired', 'scope'] as const;
export type KeyRefusal = (typeof keyRefusals)[number];

const errorCodes: readonly string[] = Object.keys(errorTable);
const outcome: readonly string[] = ['ok', ...errorCodes];
const model = 'configured';
const role = roleNames;

const answerSeconds = seconds([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]);
const tokenSeconds = seconds([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]);
const transferSeconds = seconds([0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]);
const indexSeconds = seconds([0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]);
/** As `@tercet/collection` names them. */
const indexRoute = ['none', 'exact scan', 'bitmap scan', 'graph', 'filtered graph', 'graph then scan', 'text'] as const;
const pool = 'configured';
const switchSeconds = seconds([0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60]);

const gateway = exportedBy('gateway');
const stage = exportedBy('stage');
const controller = exportedBy('controller');
const vectorIndex = exportedBy('vector-index');
/** Those that serve requests. */
const serving = exportedBy('gateway', 'stage');
/** Those that read or write the event log. */
const everyService = exportedBy('gateway', 'stage', 'controller');
const everyProcess = exportedBy('gateway', 'stage', 'controller', 'vector-index');

/**
 * Every metric of every service, once: registration, docs/metrics.md, dashboards and alert rules come from it, and a
 * name that is not here can neither be counted nor asked for. Base units; label values come from closed sets.
 */
export const metricList = {
  // What clients see.
  tercet_requests_total: gateway.counter('requests', 'Requests by how they ended.', { model, outcome }),
  tercet_http_errors_total: gateway.counter(
    'requests',
    'HTTP requests that were answered with an error, by its code.',
    {
      code: errorCodes,
    },
  ),
  tercet_tokens_total: gateway.counter('tokens', 'Prompt and answer tokens.', {
    model,
    kind: ['prompt', 'completion', 'cached', 'media'],
  }),
  tercet_replans_total: gateway.counter('attempts', 'Attempts after the first.', { model }),
  tercet_ttft_seconds: gateway.histogram(answerSeconds, 'Request accepted to first token.', { model }),
  tercet_ttft_part_seconds: gateway.histogram(
    answerSeconds,
    'Parts of TTFT along the critical path; they add up to it.',
    { model, part: ttftParts },
  ),
  tercet_handover_seconds: gateway.histogram(answerSeconds, 'First to second token.', { model }),
  tercet_tpot_seconds: gateway.histogram(tokenSeconds, 'Time per output token after the first.', { model }),
  tercet_requests_running: gateway.gauge('requests', 'Requests that run now.', {}),
  tercet_requests_waiting: gateway.gauge('requests', 'Requests that wait for room to run.', {}),
  tercet_requests_held: gateway.gauge(
    'requests',
    'Requests that wait for a pod: of a stage that has none now, or of a pool that has to wake.',
    { model },
  ),
  tercet_requests_running_max: gateway.gauge('requests', 'Requests that may run at a time; one more is refused.', {}),
  tercet_slo_requests_total: gateway.counter('requests', 'Offered requests by whether they met every SLO.', {
    model,
    result: ['met', 'missed'],
  }),
  tercet_slo_seconds: gateway.gauge('seconds', 'SLO of a request: TTFT and TPOT at most.', {
    objective: ['ttft', 'tpot'],
  }),
  tercet_slo_attainment_ratio: gateway.gauge('ratio', 'Share of offered requests that must meet every SLO.', {}),
  tercet_pods: gateway.gauge('pods', 'Pods that are ready, as the gateway sees them.', { model, role }),

  // Where requests go.
  tercet_routes_total: gateway.counter(
    'attempts',
    'Attempts by why their prefill pod was taken: it was the only one, has the most of the prompt, or that had too ' +
      'long a queue, or nobody had any.',
    { model, reason: ['only', 'prefix', 'queue', 'load'] },
  ),
  tercet_route_tokens_total: gateway.counter(
    'tokens',
    'Prompt tokens that the router expected to be cached at the pod and that were, that were not, and that were ' +
      'cached although it did not know.',
    { model, result: ['found', 'missing', 'unforeseen'] },
  ),
  tercet_route_facts: gateway.gauge('keys', 'Cached prompt blocks and tiles of all pods that the router knows of.', {
    kind: ['prefix', 'media'],
  }),
  tercet_fact_gaps_total: gateway.counter(
    'snapshots',
    'Streams of facts in which something was missing; the router forgot what it knew of the pod and asked anew.',
    {},
  ),

  // Who is let in.
  tercet_admission_refused_total: gateway.counter(
    'requests',
    'Requests that were refused for want of room, by the limit that they met: of their tenant, or of the gateway.',
    { limit: ['requestsPerMinute', 'tokensPerMinute', 'concurrency', 'runningMax', 'tenantsMax'] },
  ),
  tercet_keys_refused_total: gateway.counter('requests', 'Requests whose key did not let them in, by why.', {
    reason: keyRefusals,
  }),

  // Batches. Gateways that share a store say the same of its jobs and files, each counts the lines that it ran.
  tercet_batch_lines_total: gateway.counter(
    'lines',
    'Lines of batches by how they ended; a late one had its result from elsewhere, a returned one is begun again.',
    { outcome: ['completed', 'failed', 'unrun', 'late', 'returned'] },
  ),
  tercet_batch_lines_running: gateway.gauge('lines', 'Lines of batches that run now.', {}),
  tercet_batch_lines_left: gateway.gauge('lines', 'Lines that have no result yet, of batches that are not over.', {}),
  tercet_batches: gateway.gauge('jobs', 'Batches that are not over.', {
    state: ['validating', 'in_progress', 'finalizing', 'cancelling'],
  }),
  tercet_batch_oldest_seconds: gateway.gauge('seconds', 'Age of the oldest batch that is not over; 0 without one.', {}),
  tercet_files_bytes: gateway.gauge('bytes', 'Content of the files that are kept, results of batches included.', {}),

  // What a stage process is and does.
  tercet_stage_role: stage.gauge('state', '1 for the role that the process has, 0 for the others.', { model, role }),
  tercet_stage_epoch: stage.gauge('epoch', 'Epoch of the role; grows with every role that the process takes.', {}),
  tercet_stage_phase: stage.gauge('state', '1 for the phase that the process is in, 0 for the others.', {
    phase: phaseNames,
  }),
  tercet_stage_waiting: stage.gauge('requests', 'Requests that wait in the engine.', { role }),
  tercet_stage_running: stage.gauge('requests', 'Requests that the engine works on.', { role }),
  tercet_stage_requests_total: stage.counter('requests', 'Calls of a stage by how they ended.', { role, outcome }),
  tercet_stage_tokens_total: stage.counter(
    'tokens',
    'Tokens that a stage was done with: media tokens, prompt tokens, answer tokens.',
    { role },
  ),
  tercet_stage_seconds: stage.histogram(answerSeconds, 'Time of one request in a stage, by what it was spent on.', {
    role,
    part: ['queue', 'transfer', 'compute'],
  }),
  tercet_steps_total: stage.counter('steps', 'Steps of the engine.', {}),
  tercet_step_seconds: stage.histogram(
    tokenSeconds,
    'Time of a step that served one stage, its wait for cores included.',
    { role },
  ),
  tercet_role_switches_total: stage.counter(
    'switches',
    'Role switches that were asked for, by how they ended; a refused one changed nothing.',
    { outcome: ['ok', 'refused', 'failed'] },
  ),
  tercet_role_switch_seconds: stage.histogram(
    switchSeconds,
    'Time of a role switch: until nothing ran any more, and from there until the new role served.',
    { part: ['drain', 'switch'] },
  ),

  // Caches.
  tercet_kv_blocks_used: stage.gauge('blocks', 'KV blocks that requests hold.', { role }),
  tercet_kv_blocks_max: stage.gauge('blocks', 'KV blocks that there are.', { role }),
  tercet_prefix_cached_tokens_total: stage.counter('tokens', 'Prompt tokens whose KV was there already.', {}),
  tercet_media_tiles_total: stage.counter('tiles', 'Tiles by where their media tokens came from.', {
    source: ['cache', 'computed'],
  }),

  tercet_fact_resyncs_total: stage.counter(
    'snapshots',
    'Readers that got a snapshot of what is cached instead of its changes, by why.',
    { reason: ['first', 'restarted', 'expired', 'slow'] },
  ),

  // Tensor plane.
  tercet_leases: stage.gauge('leases', 'Tensor leases: open, or expired and not yet reused.', {
    state: ['open', 'quarantined'],
  }),
  tercet_lease_bytes: stage.gauge('bytes', 'Memory under tensor leases.', { state: ['open', 'quarantined'] }),
  tercet_leases_ended_total: stage.counter('leases', 'Tensor leases by how they ended.', {
    how: ['released', 'expired', 'failed'],
  }),
  tercet_leases_refused_total: stage.counter(
    'leases',
    'Reads and releases of leases that were unknown, expired, consumed or mismatching.',
    {},
  ),
  tercet_transfers_total: stage.counter('transfers', 'Tensors that were pulled, by how that ended.', {
    outcome: ['ok', 'failed', 'corrupt'],
  }),
  tercet_transfer_bytes_total: stage.counter('bytes', 'Bytes that were pulled, by the path that they took.', {
    path: ['shm', 'unix', 'tcp'],
  }),
  tercet_transfer_seconds: stage.histogram(transferSeconds, 'Time to pull the tensors of one request.', {
    tensor: ['media', 'kv'],
  }),

  // The controller.
  tercet_controller_leads: controller.gauge('state', '1 for the controller that acts, 0 for one that stands by.', {}),
  tercet_controller_passes_total: controller.counter('passes', 'Passes by the kind of change that they made.', {
    pool,
    kind: ['assign', 'take back', 'repair', 'move', 'recommend', 'rest', 'failed'],
  }),
  tercet_controller_pass_seconds: controller.histogram(answerSeconds, 'Time of a pass.', { pool }),
  tercet_controller_moves_total: controller.counter('moves', 'Moves that are over, by how they ended.', {
    pool,
    from: role,
    to: role,
    outcome: ['moved', 'undone', 'lost'],
  }),
  tercet_controller_findings_total: controller.counter('findings', 'What passes found that a move did not explain.', {
    pool,
    kind: ['known', 'assigned', 'changed by others', 'refuses its role', 'epoch went back'],
  }),
  tercet_controller_decisions_total: controller.counter('decisions', 'Decisions that are over, by their verdict.', {
    pool,
    verdict: ['kept', 'taken back', 'replaced'],
  }),
  tercet_decision_attainment_ratio: controller.gauge(
    'ratio',
    'Of the last decision that was judged: the share of requests that it promised, that met every SLO since, and ' +
      'that would have without it.',
    { pool, share: ['promised', 'realised', 'counterfactual'] },
  ),
  tercet_pool_attainment_ratio: controller.gauge(
    'ratio',
    'Share of requests that met every SLO in the last minute, and what the simulator expects: of the pods as they ' +
      'are, and of the best split that it found.',
    { pool, share: ['realised', 'expected', 'best'] },
  ),
  tercet_pool_pods: controller.gauge('pods', 'Pods of a pool by the stage that they serve or move to.', { pool, role }),
  tercet_pool_sleep_changes_total: controller.counter(
    'changes',
    'Times that a pool without requests lost its pods or kept them since requests were expected, and that it woke.',
    { pool, change: ['fell asleep', 'kept up', 'waking', 'awake'] },
  ),

  // The vector index.
  tercet_index_calls_total: vectorIndex.counter('calls', 'Calls of the vector index by how they ended.', {
    call: [
      'create',
      'status',
      'list',
      'delete',
      'upsert',
      'delete_points',
      'get',
      'search',
      'recommend',
      'scroll',
      'count',
      'snapshot',
      'backup',
      'restore',
    ],
    outcome,
  }),
  tercet_index_search_seconds: vectorIndex.histogram(
    indexSeconds,
    'Time of one query, its filter included, by the way that was taken.',
    { route: indexRoute },
  ),
  tercet_index_candidates_total: vectorIndex.counter(
    'vectors',
    'Vectors that were compared with queries, by the way that was taken.',
    { route: indexRoute },
  ),
  tercet_index_write_seconds: vectorIndex.histogram(
    indexSeconds,
    'Time of a write, until it was durable and every later search saw it.',
    {},
  ),
  tercet_index_points_changed_total: vectorIndex.counter('points', 'Points that were written and taken away.', {
    change: ['upserted', 'deleted'],
  }),
  tercet_index_searches_running: vectorIndex.gauge('searches', 'Searches that are being answered.', {}),
  tercet_index_collections_open: vectorIndex.gauge('collections', 'Collections in memory.', {}),
  tercet_index_points: vectorIndex.gauge('points', 'Points of the collections in memory.', {}),
  tercet_index_memory_bytes: vectorIndex.gauge(
    'bytes',
    'Memory of the largest collections by structure; those behind the first 20 are together, as others.',
    { collection: 'configured', structure: ['vectors', 'payloads', 'filters', 'text', 'ids'] },
  ),
  tercet_index_log_bytes: vectorIndex.gauge(
    'bytes',
    'Log that no snapshot replaces yet, of collections in memory.',
    {},
  ),
  tercet_index_snapshots_total: vectorIndex.counter(
    'snapshots',
    'Snapshots that were written because the log was long, by how that ended.',
    { outcome: ['ok', 'failed'] },
  ),

  // The event log.
  tercet_events_published_total: everyService.counter('records', 'Records that the event log acknowledged.', { topic }),
  tercet_events_publish_seconds: everyService.histogram(
    answerSeconds,
    'Time from publishing to the acknowledgement, of the record of a batch that waited longest.',
    { topic },
  ),
  tercet_events_dropped_total: everyService.counter('records', 'Records that made room for newer ones.', { topic }),
  tercet_events_refused_total: everyService.counter(
    'records',
    'Records that the event log did not take; their publisher was told so.',
    { topic },
  ),
  tercet_events_parked_total: everyService.counter(
    'records',
    'Records that a reader put aside because it could not use them.',
    { topic },
  ),
  tercet_events_duplicate_total: everyService.counter('records', 'Records that came again and were left out.', {
    topic,
  }),
  tercet_events_retried_total: everyService.counter(
    'records',
    'Records that come again because their reader failed at them.',
    { topic },
  ),
  tercet_events_lag: everyService.gauge('records', 'Records that a group has not handled yet.', {
    topic,
    group: 'configured',
  }),
  tercet_event_rebalances_total: everyService.counter(
    'rebalances',
    'Times that the parts which a reader has became others.',
    {},
  ),
  tercet_event_log_failures_total: everyService.counter(
    'failures',
    'Times that the event log did not do what it was asked, by the code.',
    { code: errorCodes },
  ),

  // Every process.
  tercet_process_resident_bytes: everyProcess.gauge('bytes', 'Resident memory of the process.', {}),
  tercet_process_cpu_seconds_total: everyProcess.counter('seconds', 'Processor time of the process.', {}),
  tercet_certificate_left_seconds: serving.gauge(
    'seconds',
    'Time until the certificate that the process shows to others ends; below 0 afterwards.',
    {},
  ),
  tercet_trace_exports_total: serving.counter('exports', 'Batches of spans that were sent, by how that ended.', {
    outcome: ['ok', 'failed'],
  }),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metricList;

/** Metrics of one type that a service exports. */
export type MetricNameOf<Service extends ServiceName, Type extends MetricType = MetricType> = {
  [Name in MetricName]: (typeof metricList)[Name] extends { readonly type: Type }
    ? Service extends (typeof metricList)[Name]['exportedBy'][number]
      ? Name
      : never
    : never;
}[MetricName];

/** Values of the labels of a metric, each from its set. */
export type LabelsOf<Name extends MetricName> = {
  readonly [Label in keyof (typeof metricList)[Name]['labels']]: LabelValue<(typeof metricList)[Name]['labels'][Label]>;
};

type LabelValue<Values> = Values extends readonly (infer Value extends string)[] ? Value : string;

/** Its entry, seen as one of many. */
export function metricOf(name: MetricName): Metric {
  return metricList[name];
}

function seconds(buckets: readonly number[]): Buckets {
  return { unit: 'seconds', buckets };
}
