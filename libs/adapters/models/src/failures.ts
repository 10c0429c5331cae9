import { TercetError } from '@tercet/contracts';

const diskFullCodes = new Set(['ENOSPC', 'EDQUOT']);
const offlineCodes = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
]);

/** Why one source gave nothing. `retry`: `soon` may help, `no` will not, `offline`: the host was never reached. */
export class SourceFailure extends Error {
  readonly retry: 'soon' | 'no' | 'offline';

  constructor(message: string, retry: SourceFailure['retry'], options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'SourceFailure';
    this.retry = retry;
  }
}

/** A thrown network error as a `SourceFailure`; a full disk and a cancelled call go on as what they are. */
export function toSourceFailure(error: unknown, host: string): Error {
  if (error instanceof SourceFailure || error instanceof TercetError) return error;
  const code = systemCodeOf(error);
  if (code !== undefined && offlineCodes.has(code)) {
    return new SourceFailure(`${host} cannot be reached (${code})`, 'offline', { cause: error });
  }
  const reason = code ?? toError(error).message;
  return new SourceFailure(`the connection to ${host} broke (${reason})`, 'soon', { cause: error });
}

/** A thrown file error with its code: `disk_full`, or what else the system said about the path. */
export function toDiskError(error: unknown, path: string): TercetError {
  if (error instanceof TercetError) return error;
  const code = systemCodeOf(error);
  if (code !== undefined && diskFullCodes.has(code)) {
    return new TercetError('disk_full', { path, advice: diskAdvice }, { cause: error });
  }
  const reason = toError(error).message;
  return new TercetError('model_download_failed', { path, reason }, { cause: error });
}

export const diskAdvice =
  'free some space (`tercet models rm NAME` removes a model) or set TERCET_MODELS_DIR to a larger disk; ' +
  'what was downloaded is kept and the next pull goes on from there';

/** The `code` of a system error or of the nearest cause that has one. */
export function systemCodeOf(error: unknown): string | undefined {
  let at = error;
  while (isErrorLike(at)) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return code;
    at = at.cause;
  }
  return undefined;
}

/** What was thrown, as an error. Errors of another realm (a worker, a test's sandbox) are errors too. */
export function toError(thrown: unknown): Error {
  return isErrorLike(thrown) ? thrown : new Error(String(thrown));
}

function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value;
}
