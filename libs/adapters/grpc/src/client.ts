import { TercetError } from '@tercet/contracts';
import {
  type Channel,
  type Client,
  type CompatServiceDefinition,
  createChannel,
  createClientFactory,
  waitForChannelReady,
} from 'nice-grpc';
import type { CallOptions, ClientMiddlewareCall, Metadata } from 'nice-grpc-common';
import { channelCredentials, channelName, type GrpcTls } from './credentials.js';
import { channelLimits, targetOf } from './endpoint.js';
import { fromClientError } from './status.js';

/** One connection to a gRPC server. It comes back by itself when it breaks; a call while it is gone fails at once. */
export class GrpcChannel implements Disposable {
  readonly endpoint: string;
  readonly #channel: Channel;

  private constructor(endpoint: string, channel: Channel) {
    this.endpoint = endpoint;
    this.#channel = channel;
  }

  /** Connects with the first call. @throws config_invalid */
  static open(endpoint: string, tls?: GrpcTls): GrpcChannel {
    const channel = createChannel(targetOf(endpoint), channelCredentials(endpoint, tls), {
      ...channelName(tls),
      ...channelLimits,
      'grpc.enable_http_proxy': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
      'grpc.use_local_subchannel_pool': 1,
    });
    return new GrpcChannel(endpoint, channel);
  }

  /** Typed calls of one service; they throw `TercetError` and nothing else. */
  client<Definition extends CompatServiceDefinition>(definition: Definition): Client<Definition> {
    return createClientFactory().use(translateErrors).create(definition, this.#channel);
  }

  /** Resolves when the server answers. @throws pod_unreachable after `timeoutMs` */
  async ready(timeoutMs: number): Promise<void> {
    try {
      await waitForChannelReady(this.#channel, new Date(Date.now() + timeoutMs));
    } catch (error) {
      const unreachable = new TercetError('pod_unreachable', { endpoint: this.endpoint }, { cause: error });
      throw unreachable;
    }
  }

  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function* translateErrors<Request, Response>(
  call: ClientMiddlewareCall<Request, Response>,
  options: CallOptions,
): AsyncGenerator<Response, Response | undefined, undefined> {
  let trailer: Metadata | undefined;
  const onTrailer = (received: Metadata) => {
    trailer = received;
    options.onTrailer?.(received);
  };
  try {
    return (yield* call.next(call.request, { ...options, onTrailer })) ?? undefined;
  } catch (error) {
    throw fromClientError(error, trailer, options.signal);
  }
}
