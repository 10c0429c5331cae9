// Question: how close does the tensor plane come to the machine? Between two processes, every byte read, placed and
// verified: mapped memory against memcpy and the same checksum inside one process (where nobody has to sum for somebody
// else), and TCP against a bare TCP stream with the same checksum on both ends (which only reads; the plane also puts
// every byte into its tensor).
import { connect } from 'node:net';
import { SharedMemory, TensorPlane } from '@tercet/tensor-plane';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import {
  kernels,
  layoutDigest,
  planeOptions,
  startOwner,
  type TransferKind,
  type TransferOwner,
} from './transfer-owner.js';

const bulkBytes = 64 << 20;
const bulkSegments = 32;
const smallBytes = [16 << 10, 64 << 10, 256 << 10, 1 << 20];
const kinds: readonly TransferKind[] = ['shm', 'unix', 'tcp'];
const never = new AbortController().signal;

type Way = TransferKind | 'copyAndSum' | 'copyThenSum' | 'rawUnix' | 'rawTcp';

interface Bench {
  readonly owner: TransferOwner;
  readonly plane: TensorPlane;
  readonly target: Uint8Array;
  readonly source: Uint8Array;
}

/** Options: `--rounds=N` (default 15) bulk transfers of each kind, ten times as many small ones. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const rounds = Number(given.find((word) => word.startsWith('--rounds='))?.slice('--rounds='.length) ?? 15);
  await using owner = await startOwner(bulkBytes);
  const memory = SharedMemory.open();
  await using plane = await TensorPlane.open({ ...planeOptions('reader'), memory, kernels });
  const target = new Uint8Array(bulkBytes).fill(1);
  const source = new Uint8Array(bulkBytes).fill(2);
  const bench: Bench = { owner, plane, target, source };
  say(`kernels: ${kernels.variant}, ${rounds} rounds`);
  const gbps = await measureBulk(bench, rounds, say);
  const micros = await measureSmall(bench, rounds * 10, say);
  const ratios = {
    shmRatio: gbps.shm / gbps.copyThenSum,
    shmOnePassRatio: gbps.shm / gbps.copyAndSum,
    tcpRatio: gbps.tcp / gbps.rawTcp,
    unixRatio: gbps.unix / gbps.rawUnix,
  };
  const rates = Object.entries(gbps).map(([name, value]) => [`${name}GbPerS`, round(value)] as const);
  const metrics = Object.fromEntries(Object.entries(ratios).map(([name, value]) => [name, round(value)]));
  return {
    metrics: { ...metrics, ...Object.fromEntries(rates), ...micros, corrupt: plane.stats().corrupt },
    peer: {
      copyThenSum: 'memcpy (TypedArray.set), then the same checksum, in one process',
      copyAndSum: `our kernel that does both in one pass, in one process, ${kernels.variant}`,
      raw: 'node:net with onread into a 1 MB buffer, 1 MB writes, checksum on both ends, bytes not placed',
      node: process.version,
    },
  };
}

/** GB/s of each way for 64 MB, medians over rounds in which every way runs once. */
async function measureBulk(bench: Bench, rounds: number, say: (line: string) => void): Promise<Record<Way, number>> {
  const { owner, source, target } = bench;
  const ways: Record<Way, () => Promise<number>> = {
    copyAndSum: async () => timed(() => kernels.copyCrc32(target, source, 0)),
    copyThenSum: async () =>
      timed(() => {
        target.set(source);
        kernels.crc32(target, 0);
      }),
    shm: () => pullOnce(bench, 'shm', { bytes: bulkBytes, segments: bulkSegments }),
    rawUnix: () => readRaw({ path: owner.rawUnix }, bulkBytes),
    unix: () => pullOnce(bench, 'unix', { bytes: bulkBytes, segments: bulkSegments }),
    rawTcp: () => readRaw({ host: '127.0.0.1', port: owner.rawTcp }, bulkBytes),
    tcp: () => pullOnce(bench, 'tcp', { bytes: bulkBytes, segments: bulkSegments }),
  };
  const names = Object.keys(ways) as Way[];
  const ms = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = -2; round < rounds; round++) {
    for (const name of names) {
      const took = await ways[name]();
      if (round >= 0) ms.get(name)?.push(took);
      if (kinds.some((kind) => kind === name)) checkContent(bench, kernels.crc32(target, 0));
    }
  }
  const rates = [...ms].map(([name, values]) => {
    const rate = bulkBytes / median(values) / 1e6;
    say(`${name.padEnd(12)} ${rate.toFixed(2)} GB/s  (${spread(values.toSorted((a, b) => a - b))} ms)`);
    return [name, rate] as const;
  });
  return Object.fromEntries(rates) as Record<Way, number>;
}

/** Median microseconds from the call of `pull` to its end, one at a time, lease in hand. */
async function measureSmall(bench: Bench, times: number, say: (line: string) => void): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const bytes of smallBytes) {
    const ms = new Map<TransferKind, number[]>(kinds.map((kind) => [kind, []]));
    for (let time = -10; time < times; time++) {
      for (const kind of kinds) {
        const took = await pullOnce(bench, kind, { bytes, segments: 1 });
        if (time >= 0) ms.get(kind)?.push(took);
      }
    }
    for (const [kind, values] of ms) {
      const micros = median(values) * 1000;
      result[`${kind}${bytes >> 10}KbUsP50`] = Math.round(micros);
      say(`${kind} ${bytes >> 10} KB: ${micros.toFixed(0)} µs, ${(bytes / micros / 1e3).toFixed(2)} GB/s`);
    }
  }
  return result;
}

async function pullOnce(
  { owner, plane, target }: Bench,
  kind: TransferKind,
  size: { bytes: number; segments: number },
): Promise<number> {
  const lease = await owner.publish(kind, size);
  const each = size.bytes / size.segments;
  const into = {
    layoutDigest,
    target: (segment: number, bytes: number) => target.subarray(segment * each, segment * each + bytes),
    copyOnly: kind === 'unix',
  };
  const start = performance.now();
  const { bytes, path } = await plane.pull(lease, into, never);
  const took = performance.now() - start;
  // A short tensor comes inline even where it could be mapped.
  const isExpected = path === kind || (kind === 'shm' && path === 'unix' && each < bulkBytes / bulkSegments);
  if (bytes !== size.bytes || !isExpected) throw new Error(`pulled ${bytes} bytes over ${path}, expected ${kind}`);
  return took;
}

/** Reads `bytes` from a bare stream and sums them; the owner sends its own sum last. */
async function readRaw(address: { path: string } | { host: string; port: number }, bytes: number): Promise<number> {
  const buffer = new Uint8Array(1 << 20);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let left = bytes;
  let crc = 0;
  let start = 0;
  const callback = (count: number) => {
    crc = kernels.crc32(buffer.subarray(0, Math.min(count, left)), crc);
    left -= Math.min(count, left);
    if (left === 0) resolve(performance.now() - start);
    return true;
  };
  const socket = connect({ ...address, noDelay: true, onread: { buffer, callback } });
  socket.once('error', reject);
  socket.once('connect', () => {
    start = performance.now();
    socket.write(Uint8Array.of(1));
  });
  const took = await promise;
  socket.destroy();
  if (crc === 0) throw new Error('nothing was summed');
  return took;
}

function checkContent({ owner, target }: Bench, crc: number): void {
  if (crc !== owner.crc) throw new Error(`the tensor differs: ${crc} instead of ${owner.crc}`);
  target.fill(0, 0, 4096);
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function spread(sorted: readonly number[]): string {
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(1);
  return `p10 ${at(0.1)}, p50 ${at(0.5)}, p90 ${at(0.9)}`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
