import { errorTable, isErrorCode, TercetError, toTercetError } from '@tercet/contracts';
import { ClientError, type Metadata, ServerError, Status } from 'nice-grpc-common';

const codeKey = 'tercet-code';
const detailsKey = 'tercet-details-bin';
const detailsBytesMax = 4096;

/** What a call that failed with `error` answers: a status, and the code with its details as trailing metadata. */
export function toServerError(error: unknown, trailer: Metadata): ServerError {
  const failure = toTercetError(error, isAbort(error) ? 'cancelled' : 'internal');
  trailer.set(codeKey, failure.code);
  const details = new TextEncoder().encode(JSON.stringify(failure.details, bigintAsText));
  if (details.byteLength <= detailsBytesMax) trailer.set(detailsKey, details);
  return new ServerError(Status[failure.grpcStatus], errorTable[failure.code].message);
}

/**
 * The error of a call as the caller sees it: the server's own code when it sent one, else what the status means when no
 * code of ours ever reached it.
 * @param signal the caller's: a call that it ended fails with its reason
 */
export function fromClientError(error: unknown, trailer: Metadata | undefined, signal?: AbortSignal): TercetError {
  if (signal?.aborted) return toTercetError(signal.reason, 'cancelled');
  if (error instanceof TercetError) return error;
  const code = trailer?.get(codeKey);
  if (code !== undefined && isErrorCode(code)) return new TercetError(code, detailsOf(trailer), { cause: error });
  if (!(error instanceof ClientError)) return toTercetError(error, isAbort(error) ? 'cancelled' : 'internal');
  return new TercetError(codeOfStatus(error.code), { path: error.path, status: Status[error.code] }, { cause: error });
}

/** Statuses that no server of ours chose: they come from the transport or from a limit of it. */
function codeOfStatus(status: Status): TercetError['code'] {
  switch (status) {
    // A server that dies or stops by force resets its calls with CANCELLED; a caller's own cancel never comes here.
    case Status.CANCELLED:
    case Status.UNAVAILABLE:
      return 'pod_unreachable';
    case Status.DEADLINE_EXCEEDED:
      return 'deadline_exceeded';
    case Status.UNIMPLEMENTED:
      return 'stage_protocol';
    case Status.RESOURCE_EXHAUSTED:
      return 'body_too_large';
    default:
      return 'stage_failed';
  }
}

function detailsOf(trailer: Metadata | undefined): TercetError['details'] {
  const bytes = trailer?.get(detailsKey);
  if (bytes === undefined) return {};
  try {
    const details: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof details === 'object' && details !== null ? (details as TercetError['details']) : {};
  } catch {
    return {};
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
