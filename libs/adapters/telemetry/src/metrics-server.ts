import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TercetError } from '@tercet/contracts';

/** What is served: the metrics of this process. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface MetricsServerOptions {
  readonly host: string;
  readonly port: number;
  /** Whether this process serves now; absent: as long as it listens. */
  readonly isReady?: () => boolean;
}

/** Answers `GET /metrics` and `GET /readyz`, and nothing else, for a process that has no HTTP of its own. */
export class MetricsServer implements AsyncDisposable {
  /** `host:port` with the port that was bound. */
  readonly endpoint: string;
  readonly #server: Server;

  private constructor(endpoint: string, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** @throws port_in_use, config_invalid */
  static async open(
    { host, port, isReady = () => true }: MetricsServerOptions,
    exposition: Exposition,
  ): Promise<MetricsServer> {
    const server = createServer(
      { maxHeaderSize: 16 * 1024, requestTimeout: 10_000 },
      async ({ method, url }, answer) => {
        if (url !== '/metrics' && url !== '/readyz') return answer.writeHead(404).end();
        if (method !== 'GET' && method !== 'HEAD') return answer.writeHead(405, { Allow: 'GET, HEAD' }).end();
        if (url === '/readyz') return answer.writeHead(isReady() ? 200 : 503).end();
        const text = await exposition.text();
        return answer.writeHead(200, { 'Content-Type': exposition.contentType }).end(method === 'HEAD' ? '' : text);
      },
    );
    server.maxConnections = 16;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(port, host, resolve);
    try {
      await promise;
    } catch (cause) {
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      throw new TercetError(taken ? 'port_in_use' : 'config_invalid', { host, port }, { cause });
    }
    const { port: bound } = server.address() as AddressInfo;
    return new MetricsServer(`${host.includes(':') ? `[${host}]` : host}:${bound}`, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
