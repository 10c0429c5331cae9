import { unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { TercetError, type wire } from '@tercet/contracts';
import { type CompatServiceDefinition, createServer, type Server, type ServiceImplementation } from 'nice-grpc';
import type { CallContext, ServerMiddlewareCall } from 'nice-grpc-common';
import { type CallGate, gateCalls } from './call-gate.js';
import { type GrpcTls, serverCredentials } from './credentials.js';
import { channelLimits, targetOf } from './endpoint.js';
import { checkedRequests, refuseMalformed } from './malformed.js';
import { namePeer, onlyPeers } from './peer.js';
import { toServerError } from './status.js';

/** A service on its way to a server; made by {@link service}. */
export type MountedService = (server: Server) => void;

/**
 * @param gate present for the services of a stage: its calls pass it before they begin
 */
export function service<Definition extends CompatServiceDefinition>(
  definition: Definition,
  implementation: ServiceImplementation<Definition>,
  gate?: { readonly gate: CallGate; readonly role: wire.Role },
): MountedService {
  const checked = checkedRequests(definition);
  return (server) => {
    if (gate === undefined) server.add(checked, implementation);
    else server.with(gateCalls(gate.gate, gate.role)).add(checked, implementation);
  };
}

export interface GrpcServerOptions {
  readonly tls?: GrpcTls | undefined;
  /** Names of the peers that may call at all; absent: all whom the authority of the certificates vouches for. */
  readonly peers?: readonly string[] | undefined;
}

/** Answers gRPC calls; every failure leaves with its code. */
export class GrpcServer implements AsyncDisposable {
  /** Where others reach it: `unix:/path` or `host:port` with the port that was bound. */
  readonly endpoint: string;
  readonly #server: Server;

  private constructor(endpoint: string, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** @throws port_in_use when another process listens there, config_invalid */
  static async open(
    endpoint: string,
    services: readonly MountedService[],
    { tls, peers }: GrpcServerOptions = {},
  ): Promise<GrpcServer> {
    const limits = { ...channelLimits, 'grpc.keepalive_time_ms': 10_000, interceptors: [namePeer] };
    const open = createServer(limits).use(translateErrors).use(refuseMalformed);
    const hasNames = tls !== undefined && !endpoint.startsWith('unix:');
    const server = hasNames && peers !== undefined ? open.use(onlyPeers(peers)) : open;
    for (const mount of services) mount(server);
    if (endpoint.startsWith('unix:')) await removeDeadSocket(endpoint.slice('unix:'.length));
    try {
      const port = await server.listen(targetOf(endpoint), serverCredentials(endpoint, tls));
      return new GrpcServer(endpoint.startsWith('unix:') ? endpoint : endpoint.replace(/\d+$/, `${port}`), server);
    } catch (error) {
      if (error instanceof TercetError) throw error;
      const taken = /EADDRINUSE|already in use/i.test(String(error));
      throw new TercetError(taken ? 'port_in_use' : 'config_invalid', { endpoint }, { cause: error });
    }
  }

  /** Takes no new calls, waits for the running ones until the signal aborts, then cuts them. */
  async close(signal: AbortSignal): Promise<void> {
    const force = () => this.#server.forceShutdown();
    if (signal.aborted) return force();
    signal.addEventListener('abort', force, { once: true });
    await this.#server.shutdown().finally(() => signal.removeEventListener('abort', force));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(AbortSignal.abort());
  }
}

async function* translateErrors<Request, Response>(
  call: ServerMiddlewareCall<Request, Response>,
  context: CallContext,
): AsyncGenerator<Response, Response | undefined, undefined> {
  try {
    return (yield* call.next(call.request, context)) ?? undefined;
  } catch (error) {
    throw toServerError(error, context.trailer);
  }
}

/** A socket file that nobody answers on was left by a process that died. */
async function removeDeadSocket(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path, () => resolve(false));
  probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  const dead = await promise;
  probe.destroy();
  if (dead) unlinkSync(path);
}
