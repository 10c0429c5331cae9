import { TercetError, type wire } from '@tercet/contracts';
import type { CallContext, ServerMiddleware, ServerMiddlewareCall } from 'nice-grpc-common';

/** Decides which calls may begin. The stage process's role and epoch stand behind it. */
export interface CallGate {
  /** @throws epoch_stale, draining, shutting_down, invalid_request, deadline_exceeded */
  enter(context: wire.CallContext | undefined, role: wire.Role): CallTicket;
}

/** Right to work on one call; whoever drains waits for its end, and aborts the signal when the wait is over. */
export interface CallTicket extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Checks role and epoch before the work of a call begins, and ends it at its deadline. The context is a field of the
 * request; of a request stream, it is in `open`, its first message.
 */
export function gateCalls(gate: CallGate, role: wire.Role): ServerMiddleware {
  return async function* gated<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    context: CallContext,
  ): AsyncGenerator<Response, Response | undefined, undefined> {
    const { request, first } = await firstMessage(call);
    const asked = contextOf(first);
    using ticket = gate.enter(asked, role);
    using deadline = new Deadline(asked?.deadlineUnixMs ?? 0n);
    const signal = AbortSignal.any([context.signal, ticket.signal, deadline.signal]);
    try {
      return (yield* call.next(request, { ...context, signal })) ?? undefined;
    } catch (error) {
      throw signal.aborted && !context.signal.aborted ? signal.reason : error;
    }
  } as ServerMiddleware;
}

async function firstMessage<Request, Response>(call: ServerMiddlewareCall<Request, Response>) {
  if (!call.requestStream) return { request: call.request, first: call.request };
  const iterator = call.request[Symbol.asyncIterator]();
  const { value, done } = await iterator.next();
  if (done === true) throw new TercetError('stage_protocol', { reason: 'the call ended before its first message' });
  return { request: resumed(value, iterator), first: value };
}

async function* resumed<T>(first: T, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function contextOf(message: unknown): wire.CallContext | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  if ('context' in message) return message.context as wire.CallContext | undefined;
  const { command } = message as Partial<wire.DecodeCommand>;
  return command?.$case === 'open' ? command.value.context : undefined;
}

/** Aborts when the deadline passes; 0 is no deadline. */
class Deadline implements Disposable {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(unixMs: bigint) {
    if (unixMs === 0n) return;
    const leftMs = Math.min(Number(unixMs) - Date.now(), 0x7fffffff);
    if (leftMs <= 0) throw new TercetError('deadline_exceeded', { lateMs: Math.ceil(-leftMs) });
    this.#timer = setTimeout(() => this.#abort.abort(new TercetError('deadline_exceeded')), leftMs).unref();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
