import type { Origin } from '../pipeline/request.js';
import type { EventStream } from './event-stream.js';

/** Where a route's answer goes: to an HTTP client, or into the result of a batch line. */
export interface Exchange {
  readonly response: { setHeader(name: string, value: string): unknown; json(body: object): unknown };
  /** Sends the headers of an answer that comes as events. @throws feature_unsupported where nobody reads along */
  openStream(headers: Readonly<Record<string, string>>): EventStream;
  readonly origin: Origin;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}
