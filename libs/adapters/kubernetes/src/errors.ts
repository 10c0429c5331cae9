import { ApiException } from '@kubernetes/client-node';
import { type ErrorDetails, TercetError } from '@tercet/contracts';

/** HTTP status of a refusal of the API server; `undefined` when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/** Whether asking again can help: nobody answered, or the server is busy or broken. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status === 429 || status >= 500;
}

/** What the API server answered, or that it did not, as one of our codes. */
export function toClusterError(error: unknown, details: ErrorDetails): TercetError {
  if (error instanceof TercetError) return error;
  const status = statusOf(error);
  if (isPassing(error)) return new TercetError('cluster_unavailable', { ...details, status }, { cause: error });
  const code = status === 409 ? 'cluster_conflict' : 'cluster_refused';
  return new TercetError(code, { ...details, status, says: messageOf(error) }, { cause: error });
}

/** The server's own words. */
function messageOf(error: unknown): string | undefined {
  if (!(error instanceof ApiException)) return undefined;
  try {
    const body: unknown = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    const { message } = body as { message?: unknown };
    return typeof message === 'string' ? message.slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}
