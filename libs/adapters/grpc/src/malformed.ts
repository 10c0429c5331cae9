import { TercetError } from '@tercet/contracts';
import type { CompatServiceDefinition } from 'nice-grpc';
import type { CallContext, ServerMiddlewareCall } from 'nice-grpc-common';

/** Stands for a request that is no protobuf. An error thrown while decoding would be INTERNAL, and have no code. */
class Malformed {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

interface Method {
  readonly requestType: { decode(bytes: Uint8Array): unknown };
}

/** The same service; what cannot be decoded comes to {@link refuseMalformed}, which a server of it must use. */
export function checkedRequests<Definition extends CompatServiceDefinition>(definition: Definition): Definition {
  const methods = Object.entries(definition.methods as Readonly<Record<string, Method>>).map(([name, method]) => {
    const requestType = { ...method.requestType, decode: (bytes: Uint8Array) => tryDecode(method, bytes) };
    return [name, { ...method, requestType }];
  });
  return { ...definition, methods: Object.fromEntries(methods) };
}

/** @throws invalid_request for bytes that are no message of the method */
export async function* refuseMalformed<Request, Response>(
  call: ServerMiddlewareCall<Request, Response>,
  context: CallContext,
): AsyncGenerator<Response, Response | undefined, undefined> {
  const { request } = call;
  const checked = call.requestStream ? eachWellFormed(call.request) : wellFormed(request);
  return (yield* call.next(checked as never, context)) ?? undefined;
}

function tryDecode({ requestType }: Method, bytes: Uint8Array): unknown {
  try {
    return requestType.decode(bytes);
  } catch (cause) {
    return new Malformed(cause);
  }
}

function wellFormed<Request>(request: Request): Request {
  if (!(request instanceof Malformed)) return request;
  throw new TercetError('invalid_request', { reason: 'not a message of this method' }, { cause: request.cause });
}

async function* eachWellFormed<Request>(requests: AsyncIterable<Request>): AsyncGenerator<Request> {
  for await (const request of requests) yield wellFormed(request);
}
