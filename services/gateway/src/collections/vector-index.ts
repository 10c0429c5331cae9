import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel, type GrpcTls } from '@tercet/grpc';

export interface VectorIndexOptions {
  /** `unix:/path` or `host:port`. */
  readonly endpoint: string;
  readonly tls?: GrpcTls | undefined;
}

type Calls = ReturnType<typeof clientOf>;

/** The process that keeps the collections, as the gateway calls it. */
export class VectorIndexClient implements Disposable {
  readonly #channel: GrpcChannel | undefined;

  /** @param options absent: this gateway has no vector index */
  constructor(options: VectorIndexOptions | undefined) {
    this.#channel = options && GrpcChannel.open(options.endpoint, options.tls);
  }

  /** @throws feature_unsupported without a vector index, index_unavailable, and whatever it answers */
  async call<T>(work: (calls: Calls) => Promise<T>): Promise<T> {
    if (this.#channel === undefined) throw new TercetError('feature_unsupported', { feature: 'collections' });
    try {
      return await work(clientOf(this.#channel));
    } catch (error) {
      const isGone = error instanceof TercetError && error.code === 'pod_unreachable';
      throw isGone ? new TercetError('index_unavailable', {}, { cause: error }) : error;
    }
  }

  [Symbol.dispose](): void {
    this.#channel?.close();
  }
}

function clientOf(channel: GrpcChannel) {
  return channel.client(wire.VectorIndexDefinition);
}
