import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { CoreShares, type ShareActions } from './core-shares.js';
import { onLine } from './lines.js';

export interface DeviceArbiterServerOptions {
  readonly socketPath: string;
  readonly cores: number;
  readonly clock: Clock;
}

/** A process that asked in the middle of work counts as active for so long: a little more than a turn of its loop. */
const activeAfterMs = 5;

/**
 * Gives the cores of this machine to the stage processes, a step at a time. One line a message: `want N`, `done busy`,
 * `done idle` from a process, `grant N` and `back` to it. A process that dies gives back what it held.
 */
export class DeviceArbiterServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #shares: CoreShares<Socket>;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();

  private constructor(options: DeviceArbiterServerOptions, server: Server) {
    this.#server = server;
    this.#clock = options.clock;
    this.#shares = new CoreShares({ cores: options.cores, activeAfterMs });
    server.on('connection', (socket) => this.#serve(socket));
  }

  /** @throws port_in_use */
  static async open(options: DeviceArbiterServerOptions): Promise<DeviceArbiterServer> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(options.socketPath, resolve);
    try {
      await promise;
    } catch (cause) {
      throw new TercetError('port_in_use', { path: options.socketPath }, { cause });
    }
    return new DeviceArbiterServer(options, server);
  }

  get heldCores(): number {
    return this.#shares.heldCores;
  }

  /** Processes that asked and have no cores yet. */
  get waitingCount(): number {
    return this.#shares.waitingCount;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#send(this.#shares.done(socket, false, this.#clock.nowMs()));
    });
    onLine(socket, (line) => {
      const now = this.#clock.nowMs();
      const threads = Number(/^want (\d{1,4})$/.exec(line)?.[1]);
      if (threads > 0) this.#send(this.#shares.want(socket, threads, now));
      else if (line === 'done busy' || line === 'done idle')
        this.#send(this.#shares.done(socket, line === 'done busy', now));
      else socket.destroy();
    });
  }

  #send({ grants, recalls }: ShareActions<Socket>): void {
    for (const { client, threads } of grants) if (!client.destroyed) client.write(`grant ${threads}\n`);
    for (const client of recalls) if (!client.destroyed) client.write('back\n');
  }
}
