import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import type { ClaimedLine, LineResult } from '@tercet/jobs';
import { errorBody } from '../http/error-body.js';
import type { Exchange } from '../http/exchange.js';
import { refuseInternalFields } from '../http/internal-fields.js';
import { type JsonRouteOptions, type JsonRoutePath, jsonRoutes } from '../http/json-routes.js';
import { parseJson } from '../http/read-json.js';

/** How a line came out, as its client would have seen it over HTTP. */
export interface LineAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly body: object;
}

/** Why a line ends that was never run. */
export type UnrunReason = 'batch_expired' | 'batch_cancelled';

/**
 * Runs one line through the route that its endpoint names, exactly as a request over HTTP.
 * @throws whatever the route throws
 */
export async function runLine(
  parts: JsonRouteOptions,
  { endpoint, body, tenant }: { endpoint: string; body: string; tenant: string },
  signal: AbortSignal,
): Promise<LineAnswer> {
  const route = jsonRoutes[endpoint as JsonRoutePath];
  if (route === undefined) throw new TercetError('invalid_request', { param: 'endpoint', endpoint });
  let requestId: string | undefined;
  let answered: object | undefined;
  const exchange: Exchange = {
    response: {
      setHeader: (name, value) => {
        if (name === 'x-request-id') requestId = value;
      },
      json: (json) => {
        answered = json;
      },
    },
    openStream: () => {
      throw new TercetError('feature_unsupported', { feature: 'a stream in a batch' });
    },
    origin: { tenant, traceparent: '' },
    signal,
  };
  const json = parseJson(body);
  refuseInternalFields(json);
  await route(parts, json, exchange);
  if (answered === undefined) throw new TercetError('empty_answer');
  return { status: 200, requestId: requestId ?? randomUUID(), body: answered };
}

/** A failure as the answer that an HTTP client would have got. */
export function failedAnswer(error: unknown): LineAnswer {
  const requestId = randomUUID();
  const { status, body } = errorBody(error, requestId);
  return { status, requestId, body };
}

/** The result of a line that ran, https://platform.openai.com/docs/guides/batch */
export function answeredResult(claimed: ClaimedLine, { status, requestId, body }: LineAnswer): LineResult {
  const response = { status_code: status, request_id: requestId, body };
  return resultOf(claimed, status === 200 ? 'completed' : 'failed', { response, error: null });
}

/** The result of a line that did not run any more. */
export function unrunResult(claimed: ClaimedLine, code: UnrunReason): LineResult {
  const why = code === 'batch_expired' ? 'the completion window of the batch ended' : 'the batch was cancelled';
  const error = { code, message: `The line was not run: ${why}.` };
  return resultOf(claimed, 'failed', { response: null, error });
}

function resultOf(
  { jobId, line, customId }: ClaimedLine,
  outcome: LineResult['outcome'],
  answer: { response: object | null; error: object | null },
): LineResult {
  // The same for every try, so that whoever reads results can tell one that comes twice.
  const id = `batch_req_${jobId.replace(/^batch_/, '')}_${line}`;
  return { jobId, line, outcome, text: JSON.stringify({ id, custom_id: customId, ...answer }) };
}
