/** Who may try again. `replan`: the pipeline, with a new plan. `later`: the client, after `Retry-After`. */
export type RetryClass = 'replan' | 'later' | 'never';

/** gRPC status names of the canonical codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export type GrpcStatusName =
  | 'CANCELLED'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

type Row = { grpc: GrpcStatusName; http: number; retry: RetryClass; message: string };

/**
 * Every failure that a caller can see: its code, how it travels, and whether trying again can help.
 * Adapters translate with this table and with nothing else.
 */
export const errorTable = {
  // The request itself.
  invalid_request: row('INVALID_ARGUMENT', 400, 'never', 'the request is not valid'),
  invalid_json: row('INVALID_ARGUMENT', 400, 'never', 'the body is not JSON'),
  body_too_large: row('INVALID_ARGUMENT', 413, 'never', 'the body is larger than the limit'),
  model_not_found: row('NOT_FOUND', 404, 'never', 'there is no such model'),
  headers_too_large: row('INVALID_ARGUMENT', 431, 'never', 'the headers are larger than the limit'),
  request_timeout: row('DEADLINE_EXCEEDED', 408, 'never', 'the request did not arrive in time'),
  prompt_too_long: row('INVALID_ARGUMENT', 400, 'never', 'the prompt does not fit into the context'),
  grammar_unsupported: row('INVALID_ARGUMENT', 400, 'never', 'the schema or grammar cannot be enforced'),
  template_failed: row('INVALID_ARGUMENT', 400, 'never', 'the chat template cannot render these messages'),
  feature_unsupported: row('UNIMPLEMENTED', 400, 'never', 'this model or build cannot do that'),
  route_not_found: row('NOT_FOUND', 404, 'never', 'there is no such route'),
  method_not_allowed: row('UNIMPLEMENTED', 405, 'never', 'the route does not take this method'),
  unauthenticated: row('UNAUTHENTICATED', 401, 'never', 'the API key is missing or not known'),
  forbidden: row('PERMISSION_DENIED', 403, 'never', 'the API key does not allow that'),
  // Media.
  media_invalid: row('INVALID_ARGUMENT', 400, 'never', 'the media cannot be decoded'),
  media_too_large: row('INVALID_ARGUMENT', 400, 'never', 'the media is larger than the limits'),
  media_too_many: row('INVALID_ARGUMENT', 400, 'never', 'the request has more media than the limit'),
  media_type_unsupported: row('INVALID_ARGUMENT', 400, 'never', 'this type of media is not supported'),
  media_fetch_failed: row('INVALID_ARGUMENT', 400, 'never', 'the media URL could not be read'),
  media_address_refused: row(
    'PERMISSION_DENIED',
    403,
    'never',
    'the media URL leads to an address that is not allowed',
  ),
  // Capacity and time.
  rate_limited: row('RESOURCE_EXHAUSTED', 429, 'later', 'the tenant is over its limit'),
  overloaded: row('RESOURCE_EXHAUSTED', 429, 'later', 'every slot is taken; try again later'),
  no_pod: row('UNAVAILABLE', 503, 'later', 'no pod serves this stage now'),
  deadline_exceeded: row('DEADLINE_EXCEEDED', 504, 'never', 'the deadline passed'),
  cancelled: row('CANCELLED', 499, 'never', 'the client went away'),
  kv_full: row('RESOURCE_EXHAUSTED', 503, 'replan', 'the pod has no room for this KV cache'),
  draining: row('UNAVAILABLE', 503, 'replan', 'the pod takes no new work'),
  shutting_down: row('UNAVAILABLE', 503, 'later', 'the system is stopping'),
  // Control.
  epoch_stale: row('FAILED_PRECONDITION', 503, 'replan', 'role or epoch of the pod moved on'),
  peer_refused: row('PERMISSION_DENIED', 502, 'never', 'the certificate of the peer does not allow that'),
  role_switch_failed: row('ABORTED', 500, 'never', 'the pod did not take the role'),
  pod_unreachable: row('UNAVAILABLE', 502, 'replan', 'the pod does not answer'),
  stage_failed: row('INTERNAL', 502, 'replan', 'a stage failed'),
  stage_protocol: row('INTERNAL', 502, 'replan', 'a stage broke the protocol'),
  empty_answer: row('INTERNAL', 502, 'replan', 'a stage answered nothing'),
  // Tensor plane.
  lease_unknown: row('NOT_FOUND', 502, 'replan', 'there is no such tensor lease'),
  lease_expired: row('FAILED_PRECONDITION', 502, 'replan', 'the tensor lease has expired'),
  lease_consumed: row('FAILED_PRECONDITION', 502, 'replan', 'the tensor lease was released'),
  lease_mismatch: row('FAILED_PRECONDITION', 502, 'replan', 'generation, layout, shape or type of the lease differ'),
  tensor_corrupt: row('DATA_LOSS', 502, 'replan', 'the checksum of the tensor does not match'),
  tensor_transfer_failed: row('UNAVAILABLE', 502, 'replan', 'the tensor could not be read'),
  // Control state and events.
  store_unavailable: row('UNAVAILABLE', 503, 'later', 'the control store does not answer'),
  store_incompatible: row('FAILED_PRECONDITION', 500, 'never', 'a newer version wrote the control store'),
  ledger_invalid: row('DATA_LOSS', 500, 'never', 'the ledger of the controller cannot be read'),
  event_log_unavailable: row('UNAVAILABLE', 503, 'later', 'the event log does not answer'),
  event_log_corrupt: row('DATA_LOSS', 500, 'never', 'the file of the event log is damaged'),
  event_log_refused: row('UNAUTHENTICATED', 500, 'never', 'the event log does not take these credentials'),
  event_invalid: row('INVALID_ARGUMENT', 500, 'never', 'the record of the event log cannot be read'),
  key_not_found: row('NOT_FOUND', 404, 'never', 'there is no such API key'),
  file_not_found: row('NOT_FOUND', 404, 'never', 'there is no such file'),
  batch_not_found: row('NOT_FOUND', 404, 'never', 'there is no such batch'),
  batch_state: row('FAILED_PRECONDITION', 409, 'never', 'the state of the batch does not allow that'),
  cluster_unavailable: row('UNAVAILABLE', 503, 'later', 'the Kubernetes API does not answer'),
  cluster_refused: row('FAILED_PRECONDITION', 500, 'never', 'the Kubernetes API refuses that'),
  cluster_conflict: row('ABORTED', 503, 'later', 'the object of the cluster changed meanwhile'),
  leadership_lost: row('ABORTED', 503, 'later', 'another controller leads now'),
  // The vector index.
  dimension_mismatch: row('INVALID_ARGUMENT', 400, 'never', 'the vector has not the dimensions of the collection'),
  vector_not_finite: row('INVALID_ARGUMENT', 400, 'never', 'the vector holds what is not a finite number'),
  vector_zero: row('INVALID_ARGUMENT', 400, 'never', 'a zero vector has no direction, which cosine needs'),
  index_limit_reached: row('RESOURCE_EXHAUSTED', 409, 'never', 'a limit of the vector index is reached'),
  // Start-up and files.
  config_invalid: row('INVALID_ARGUMENT', 500, 'never', 'the configuration is not valid'),
  engine_incompatible: row('FAILED_PRECONDITION', 500, 'never', 'the engine library is not the expected one'),
  model_file_missing: row('NOT_FOUND', 500, 'never', 'the model file is missing'),
  model_file_invalid: row('INVALID_ARGUMENT', 500, 'never', 'the model file is damaged or not supported'),
  model_download_failed: row('UNAVAILABLE', 502, 'later', 'the model could not be downloaded'),
  disk_full: row('RESOURCE_EXHAUSTED', 500, 'later', 'the disk is full'),
  port_in_use: row('ALREADY_EXISTS', 500, 'never', 'the port is in use'),
  already_running: row('ALREADY_EXISTS', 500, 'never', 'tercet already runs here'),
  internal: row('INTERNAL', 500, 'never', 'something that must not happen happened'),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errorTable;

export type ErrorDetails = Readonly<Record<string, string | number | boolean | bigint | readonly string[] | undefined>>;

/** A failure with a code from {@link errorTable}. `details` hold ids and sizes to act on, never prompts. */
export class TercetError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options: { cause?: unknown } = {}) {
    super(describe(code, details), options);
    this.name = 'TercetError';
    this.code = code;
    this.details = details;
  }

  get retry(): RetryClass {
    return errorTable[this.code].retry;
  }

  get httpStatus(): number {
    return errorTable[this.code].http;
  }

  get grpcStatus(): GrpcStatusName {
    return errorTable[this.code].grpc;
  }
}

/** True when the text names a code of the table: what came over the wire may be anything. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

/** Any thrown value as a `TercetError`: itself, or `fallback` with it as the cause. */
export function toTercetError(error: unknown, fallback: ErrorCode = 'internal'): TercetError {
  if (error instanceof TercetError) return error;
  return new TercetError(fallback, {}, { cause: error });
}

function row(grpc: GrpcStatusName, http: number, retry: RetryClass, message: string): Row {
  return { grpc, http, retry, message };
}

function describe(code: ErrorCode, details: ErrorDetails): string {
  const pairs = Object.entries(details).filter(([, value]) => value !== undefined);
  const text = pairs.map(([name, value]) => `${name}: ${String(value)}`).join(', ');
  return text === '' ? errorTable[code].message : `${errorTable[code].message} (${text})`;
}
