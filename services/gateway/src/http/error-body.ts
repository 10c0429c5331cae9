import { randomUUID } from 'node:crypto';
import { type TercetError, toTercetError } from '@tercet/contracts';
import { type Log, traceFields } from '@tercet/telemetry';
import type { Request, Response } from 'express';

const retryAfterMsDefault = 1000;

/** Error types of the OpenAI API, by HTTP status. */
function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** OpenAI's error object with our code. */
export function errorBody(error: unknown, requestId?: string): { status: number; body: object } {
  const failure = toTercetError(error);
  const { param } = failure.details;
  const status = failure.httpStatus;
  const message = failure.code === 'internal' ? failure.message : sentence(failure);
  return {
    status,
    body: {
      error: { message, type: typeOf(status), param: param ?? null, code: failure.code, request_id: requestId ?? null },
    },
  };
}

/** Answers with the error, when nothing of the answer was sent yet. */
export function sendError(response: Response, error: unknown, requestId: string = randomUUID()): void {
  const { status, body } = errorBody(error, requestId);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { code, retry, details } = toTercetError(error);
  response.locals.errorCode = code;
  if (retry === 'later') {
    const afterMs = typeof details.retryAfterMs === 'number' ? details.retryAfterMs : retryAfterMsDefault;
    response.setHeader('Retry-After', String(Math.ceil(afterMs / 1000)));
  }
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  response.status(status).json(body);
}

/** {@link sendError} for a route that failed; a bug is logged, and what was not read of the request is left unread. */
export function answerFailure(
  log: Log,
  { request, response, traceparent = '' }: { request: Request; response: Response; traceparent?: string },
  error: unknown,
) {
  const failure = toTercetError(error);
  if (failure.code === 'internal') {
    log.error('http.failed', { path: request.path, ...traceFields(traceparent), error: failure });
  }
  if (!request.complete && !response.headersSent) response.setHeader('Connection', 'close');
  sendError(response, failure);
}

function sentence({ message }: TercetError): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
}
