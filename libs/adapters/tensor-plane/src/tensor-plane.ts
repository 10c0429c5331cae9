import { unlinkSync } from 'node:fs';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import type { Clock } from '@tercet/base';
import { TercetError, toTercetError, type wire } from '@tercet/contracts';
import { IncomingPeer } from './incoming.js';
import type { PullInto, PullResult } from './incoming-pull.js';
import { LeaseTable } from './lease-table.js';
import { type OutgoingCounters, OutgoingPeer } from './outgoing.js';
import { MappedFiles, type SharedMemory } from './shared-memory.js';
import type { TensorSource } from './tensor-source.js';
import { nodeKernels, type TransferKernels } from './transfer-kernels.js';
import { createListener, readerNamesOf, type TensorTls } from './transport.js';

export type TensorPlaneListen =
  | { readonly kind: 'unix'; readonly path: string }
  /** `advertise` is the host that others reach, when it is not the one listened on. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly advertise?: string };

export interface TensorPlaneOptions {
  readonly listen: TensorPlaneListen;
  /** Start-up counter of this process: a lease never survives a restart. */
  readonly generation: bigint;
  readonly clock: Clock;
  /** Without it nothing is mapped, and every read goes through the socket. Stays the caller's to close. */
  readonly memory?: SharedMemory;
  /** Native kernels where there are any. */
  readonly kernels?: TransferKernels;
  /** For TCP: both sides show a certificate of one authority. */
  readonly tls?: TensorTls | undefined;
  readonly leaseTtlMs: number;
  /** How long expired memory stays untouched: longer than the longest transfer. */
  readonly quarantineMs: number;
  readonly leasesMax: number;
  readonly peersMax?: number;
  readonly pullsPerPeerMax?: number;
  readonly stallMs?: number;
  readonly idleMs?: number;
  /** Ranges (of at most 1 MB) that an owner may send ahead of a reader, for each pull. */
  readonly creditsMax?: number;
}

export interface TensorPlaneStats {
  readonly leases: number;
  readonly leasedBytes: number;
  readonly quarantined: number;
  readonly quarantinedBytes: number;
  readonly published: number;
  readonly released: number;
  readonly expired: number;
  readonly failed: number;
  /** Pulls of a lease that had been pulled before. */
  readonly rereads: number;
  /** Pulls and releases of unknown, expired, consumed or mismatching leases. */
  readonly refused: number;
  readonly pullsServed: number;
  readonly bytesSent: number;
  readonly bytesMapped: number;
  readonly queuedBytesPeak: number;
  readonly readersOpen: number;
  readonly ownersOpen: number;
  readonly pulls: number;
  readonly pullsFailed: number;
  readonly corrupt: number;
  readonly bytesPulled: { readonly shm: number; readonly unix: number; readonly tcp: number };
}

const defaults = { peersMax: 64, pullsPerPeerMax: 1024, stallMs: 5000, idleMs: 30_000, creditsMax: 16 };
const aliveParts = 5;

/** Lends tensors of this process to others, and reads theirs, under leases. One per process. */
export class TensorPlane implements AsyncDisposable {
  readonly endpoint: string;
  readonly #options: TensorPlaneOptions & typeof defaults;
  readonly #kernels: TransferKernels;
  readonly #server: Server;
  readonly #leases: LeaseTable;
  readonly #mappedFiles: MappedFiles;
  readonly #readers = new Set<OutgoingPeer>();
  readonly #owners = new Map<string, IncomingPeer>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #outgoing: OutgoingCounters = { pullsServed: 0, bytesSent: 0, bytesMapped: 0, queuedBytesPeak: 0 };
  readonly #incoming = { pulls: 0, pullsFailed: 0, corrupt: 0, shm: 0, unix: 0, tcp: 0 };
  #closed = false;

  private constructor(options: TensorPlaneOptions, server: Server) {
    const { clock, generation, leaseTtlMs, quarantineMs, leasesMax } = options;
    this.#options = { ...defaults, ...options };
    this.#kernels = options.kernels ?? nodeKernels;
    this.#server = server;
    this.endpoint = endpointOf(options.listen, server);
    this.#leases = new LeaseTable({
      clock,
      endpoint: this.endpoint,
      generation,
      leaseTtlMs,
      quarantineMs,
      leasesMax,
      kernels: this.#kernels,
    });
    const folders = options.memory === undefined ? {} : { folders: [options.memory.folder] };
    this.#mappedFiles = new MappedFiles({ filesMax: 256, ...folders });
    this.#sweeper = setInterval(() => this.sweep(), Math.min(1000, Math.ceil(leaseTtlMs / 4))).unref();
  }

  /** @throws port_in_use when another process listens there */
  static async open(options: TensorPlaneOptions): Promise<TensorPlane> {
    const tls = options.listen.kind === 'tcp' ? options.tls : undefined;
    const { server, readerEvent } = createListener(tls);
    await listen(server, options.listen);
    const plane = new TensorPlane(options, server);
    server.on(readerEvent, (socket: Socket) => {
      const { stallMs, pullsPerPeerMax: pullsMax } = plane.#options;
      const { memory } = options;
      const peer = new OutgoingPeer(socket, {
        leases: plane.#leases,
        kernels: plane.#kernels,
        memory,
        stallMs,
        aliveMs: Math.ceil(stallMs / aliveParts),
        pullsMax,
        readerNames: readerNamesOf(socket, tls),
        counters: plane.#outgoing,
      });
      plane.#readers.add(peer);
      socket.once('close', () => plane.#readers.delete(peer));
    });
    return plane;
  }

  /** Lends a tensor. Its segments need not be ready yet. @throws overloaded when every lease is taken */
  publish(source: TensorSource): wire.TensorLease {
    if (this.#closed) throw new TercetError('shutting_down');
    return this.#leases.publish(source);
  }

  /** Takes a tensor back before anybody released it; `onEnd('failed')` follows. Harmless when it has ended. */
  revoke(leaseId: string): void {
    this.#leases.fail(leaseId);
  }

  /**
   * Reads a lent tensor into memory of the caller, segment by segment as its owner completes them, and releases the
   * lease. When it rejects, nothing writes to the memory any more and its content means nothing.
   * @throws lease_unknown, lease_expired, lease_consumed, lease_mismatch, tensor_corrupt, tensor_transfer_failed,
   *   overloaded, cancelled
   */
  async pull(lease: wire.TensorLease, into: PullInto, signal: AbortSignal): Promise<PullResult> {
    this.#incoming.pulls++;
    try {
      if (signal.aborted) throw new TercetError('cancelled', {}, { cause: signal.reason });
      if (into.layoutDigest !== lease.layoutDigest) throw new TercetError('lease_mismatch', { field: 'layoutDigest' });
      const result = await this.#owner(lease.endpoint).pull(lease, into, signal);
      this.#incoming[result.path] += result.bytes;
      return result;
    } catch (error) {
      const failure = toTercetError(error, 'tensor_transfer_failed');
      this.#incoming.pullsFailed++;
      if (failure.code === 'tensor_corrupt') this.#incoming.corrupt++;
      throw failure;
    }
  }

  /** Ends what is due now; a timer calls it too. */
  sweep(): void {
    this.#leases.sweep();
  }

  stats(): TensorPlaneStats {
    const { pulls, pullsFailed, corrupt, shm, unix, tcp } = this.#incoming;
    return {
      ...this.#leases.gauges(),
      ...this.#leases.counters,
      ...this.#outgoing,
      readersOpen: this.#readers.size,
      ownersOpen: this.#owners.size,
      pulls,
      pullsFailed,
      corrupt,
      bytesPulled: { shm, unix, tcp },
    };
  }

  /** Ends every lease and pull. Call it before the memory of the tensors goes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const owner of this.#owners.values()) owner.close();
    for (const reader of this.#readers) reader.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#leases.close();
    this.#mappedFiles.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #owner(endpoint: string): IncomingPeer {
    if (this.#closed) throw new TercetError('shutting_down');
    for (const [name, peer] of this.#owners) if (peer.closed) this.#owners.delete(name);
    const known = this.#owners.get(endpoint);
    if (known !== undefined) return known;
    if (this.#owners.size >= this.#options.peersMax) this.#dropIdleOwner();
    const { stallMs, idleMs, creditsMax } = this.#options;
    const peer = new IncomingPeer(endpoint, {
      kernels: this.#kernels,
      mappedFiles: this.#mappedFiles,
      stallMs,
      idleMs,
      creditsMax,
      now: () => this.#options.clock.nowMs(),
      tls: this.#options.tls,
    });
    this.#owners.set(endpoint, peer);
    return peer;
  }

  #dropIdleOwner(): void {
    for (const [name, peer] of this.#owners) {
      if (peer.pullCount > 0) continue;
      peer.close();
      this.#owners.delete(name);
      return;
    }
    throw new TercetError('overloaded', { peers: this.#options.peersMax });
  }
}

function endpointOf(listening: TensorPlaneListen, server: Server): string {
  if (listening.kind === 'unix') return `unix:${listening.path}`;
  const host = listening.advertise ?? listening.host;
  const { port } = server.address() as AddressInfo;
  return `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function listen(server: Server, where: TensorPlaneListen): Promise<void> {
  if (where.kind === 'unix') await removeDeadSocket(where.path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  if (where.kind === 'unix') server.listen(where.path, resolve);
  else server.listen(where.port, where.host, resolve);
  try {
    await promise;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TercetError(code === 'EADDRINUSE' ? 'port_in_use' : 'config_invalid', { ...where }, { cause: error });
  } finally {
    server.off('error', reject);
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
