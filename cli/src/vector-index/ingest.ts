import { type ExitCode, exitCodes } from '../terminal/failure.js';
import { ProgressBar } from '../terminal/progress-bar.js';
import type { Terminal } from '../terminal/terminal.js';
import type { CollectionsApi, Point } from './collections-api.js';
import { pointsOf, sourceFiles } from './documents.js';

/** Points of one call, and calls at a time: the server embeds while it is sent more. */
const callPoints = 64;
const callsMax = 4;

interface Ingestion {
  readonly terminal: Terminal;
  readonly api: CollectionsApi;
  readonly signal: AbortSignal;
}

/** Reads files into a collection. Points are durable as they are counted. */
export async function ingest(
  { terminal: { note }, api, signal }: Ingestion,
  { name, paths, chunkWords }: { name: string; paths: readonly string[]; chunkWords: number },
): Promise<ExitCode> {
  const { fields } = await api.get(name);
  const files = sourceFiles(paths);
  const bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const bar = new ProgressBar(note, () => performance.now());
  const startedMs = performance.now();
  const sending = new Set<Promise<void>>();
  let [written, bytesDone] = [0, 0];
  const show = () => bar.show({ label: name, state: `${written} points`, bytesDone, bytesTotal });
  const send = async (points: readonly Point[]) => {
    const receipt = await api.upsert(name, points);
    written += receipt.points;
    show();
  };
  try {
    for await (const { points, bytes } of calls(files, { chunkWords, fields })) {
      signal.throwIfAborted();
      bytesDone += bytes;
      if (sending.size === callsMax) await Promise.race(sending);
      const call: Promise<void> = send(points).finally(() => sending.delete(call));
      call.catch(() => undefined);
      sending.add(call);
    }
    await Promise.all(sending);
  } finally {
    bar.clear();
  }
  const seconds = (performance.now() - startedMs) / 1000;
  bar.finish(`${written} points of ${files.length} files in ${seconds.toFixed(1)} s`);
  return exitCodes.done;
}

/** Points in calls, with the bytes of files that are read to their end with them. */
async function* calls(
  files: ReturnType<typeof sourceFiles>,
  options: Parameters<typeof pointsOf>[1],
): AsyncGenerator<{ points: Point[]; bytes: number }> {
  let points: Point[] = [];
  let bytes = 0;
  for (const file of files) {
    for await (const point of pointsOf(file, options)) {
      points.push(point);
      if (points.length < callPoints) continue;
      yield { points, bytes };
      points = [];
      bytes = 0;
    }
    bytes += file.bytes;
  }
  if (points.length > 0) yield { points, bytes };
}
