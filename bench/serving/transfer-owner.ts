// The other process of the transfer bench: owns 64 MB in shared memory, lends them over a Unix socket and over TCP, and
// sends them over bare sockets. Started by `startOwner`, ends with its parent.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Prng } from '@tercet/base';
import { wire } from '@tercet/contracts';
import { loadKernels } from '@tercet/kernels';
import { SharedMemory, TensorPlane, type TensorPlaneOptions } from '@tercet/tensor-plane';

export type TransferKind = 'shm' | 'unix' | 'tcp';

export interface TransferOwner extends AsyncDisposable {
  /** CRC-32 of all bytes that the owner has. */
  readonly crc: number;
  readonly rawUnix: string;
  readonly rawTcp: number;
  publish(kind: TransferKind, size: { bytes: number; segments: number }): Promise<wire.TensorLease>;
}

interface Hello {
  readonly crc: number;
  readonly rawUnix: string;
  readonly rawTcp: number;
}

interface Ask {
  readonly kind: TransferKind;
  readonly bytes: number;
  readonly segments: number;
}

export const layoutDigest = 'transfer-bench';
export const kernels = loadKernels();
const folder = mkdtempSync(join(tmpdir(), 'tercet-transfer-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

export function planeOptions(name: string): TensorPlaneOptions {
  const limits = { leaseTtlMs: 60_000, quarantineMs: 60_000, leasesMax: 64 };
  return { listen: { kind: 'unix', path: join(folder, `${name}.sock`) }, generation: 1n, clock, ...limits };
}

/** Starts the owner's process and waits until it lends. */
export async function startOwner(bytes: number): Promise<TransferOwner> {
  const script = fileURLToPath(new URL('../../scripts/ts.mjs', import.meta.url));
  const child = fork(script, [fileURLToPath(import.meta.url), String(bytes)], {
    execArgv: ['--conditions=tercet-source'],
    serialization: 'advanced',
  });
  const hello = await answer<Hello>(child);
  return {
    ...hello,
    publish: async (kind, size) => {
      const lease = answer<wire.TensorLease>(child);
      child.send({ kind, ...size });
      return lease;
    },
    [Symbol.asyncDispose]: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** The next message of the child, which answers one question at a time. */
async function answer<T>(child: ChildProcess): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onExit = () => reject(new Error('the owner of the transfer bench ended'));
  child.once('message', (message: T) => resolve(message));
  child.once('exit', onExit);
  return promise.finally(() => child.off('exit', onExit));
}

async function main(bytes: number): Promise<void> {
  const memory = SharedMemory.open();
  const data = memory.allocate({ bytes, label: 'bench' }).view(0, bytes);
  const prng = new Prng(1);
  const words = new Uint32Array(data.buffer, data.byteOffset, bytes / 4);
  for (let at = 0; at < words.length; at++) words[at] = prng.nextUint32();
  const base = { ...planeOptions('owner'), memory, kernels };
  const unix = await TensorPlane.open(base);
  const tcp = await TensorPlane.open({ ...base, listen: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  const rawUnix = join(folder, 'raw.sock');
  const rawUnixServer = await listenRaw(data, rawUnix);
  const rawTcpServer = await listenRaw(data, undefined);
  const rawTcp = (rawTcpServer.address() as AddressInfo).port;
  process.send?.({ crc: kernels.crc32(data, 0), rawUnix, rawTcp } satisfies Hello);
  process.on('message', (ask: Ask) => {
    const each = ask.bytes / ask.segments;
    const segments = Array.from({ length: ask.segments }, (_, at) => ({
      bytes: each,
      ready: () => Promise.resolve(),
      view: () => data.subarray(at * each, (at + 1) * each),
    }));
    const shape = [ask.segments, each];
    const plane = ask.kind === 'tcp' ? tcp : unix;
    const source = { shape, dtype: wire.DType.DTYPE_U8, layoutDigest, segments, onEnd: () => undefined };
    process.send?.(plane.publish(source));
  });
  await once(process, 'disconnect');
  rawUnixServer.close();
  rawTcpServer.close();
  await Promise.all([unix.close(), tcp.close()]);
  memory.close();
}

/** Sends all bytes for each byte it gets, summing them as the plane does. */
async function listenRaw(data: Uint8Array, path: string | undefined): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', () => void sendRaw(socket, data));
  });
  server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path });
  await once(server, 'listening');
  return server;
}

async function sendRaw(socket: Socket, data: Uint8Array): Promise<void> {
  const chunk = 1 << 20;
  for (let at = 0, crc = 0; at < data.byteLength && !socket.destroyed; at += chunk) {
    const part = data.subarray(at, at + chunk);
    crc = kernels.crc32(part, crc);
    await new Promise((resolve) => socket.write(part, resolve));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(Number(process.argv[2]));
