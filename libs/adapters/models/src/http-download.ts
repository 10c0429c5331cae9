import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SourceFailure, toDiskError, toError, toSourceFailure } from './failures.js';

export interface DownloadOptions {
  readonly url: string;
  /** File that grows; what an earlier call left in it is kept where the server can go on from there. */
  readonly part: string;
  /** True when the whole will be checked by its hash, so that bytes of an earlier call may be trusted for now. */
  readonly hashed: boolean;
  readonly bytes: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly progress: (bytesDone: number, bytesTotal: number | undefined) => void;
  readonly timing: DownloadTiming;
}

export interface DownloadTiming {
  /** No byte for this long counts as a broken connection. */
  readonly stallMs: number;
  /** First pause before trying again; it doubles with every attempt that brought nothing. */
  readonly pauseMs: number;
  /** Attempts in a row that brought no byte, before giving up. */
  readonly attemptsMax: number;
}

/**
 * Downloads `url` into `part`, going on after broken connections and from what is there.
 * @throws SourceFailure when the source cannot give it; disk_full
 */
export async function download(options: DownloadOptions): Promise<void> {
  let barren = 0;
  for (;;) {
    const before = await sizeOf(options.part);
    const failure = await attempt(options, before).then(() => undefined, toError);
    if (failure === undefined) return;
    options.signal.throwIfAborted();
    if (!(failure instanceof SourceFailure) || failure.retry === 'no') throw failure;
    barren = (await sizeOf(options.part)) > before ? 0 : barren + 1;
    if (barren >= (failure.retry === 'offline' ? 2 : options.timing.attemptsMax)) throw failure;
    await sleep(options.timing.pauseMs * 2 ** barren, undefined, { signal: options.signal });
  }
}

async function attempt(options: DownloadOptions, have: number): Promise<void> {
  const { url, part, signal, timing } = options;
  const host = new URL(url).host;
  const stall = new AbortController();
  const watch = setTimeout(() => stall.abort(new SourceFailure(`${host} sends nothing`, 'soon')), timing.stallMs);
  try {
    const headers = { ...options.headers, 'accept-encoding': 'identity', ...(await rangeHeaders(options, have)) };
    const response = await fetch(url, { headers, signal: AbortSignal.any([signal, stall.signal]) });
    const start = await startOf(response, options, have);
    if (start === 'complete') return;
    await remember(response, options);
    await writeBody(response, { ...options, start }, () => watch.refresh());
  } catch (error) {
    signal.throwIfAborted();
    throw stall.signal.aborted ? stall.signal.reason : toSourceFailure(error, host);
  } finally {
    clearTimeout(watch);
    if (have > 0 && (await sizeOf(part)) === 0) await rm(validatorOf(part), { force: true });
  }
}

/** Asks for the rest only where the rest is sure to belong to what is there: by hash afterwards, or by If-Range now. */
async function rangeHeaders({ part, hashed }: DownloadOptions, have: number): Promise<Record<string, string>> {
  if (have === 0) return {};
  const range = `bytes=${have}-`;
  if (hashed) return { range };
  const validator = await readFile(validatorOf(part), 'utf8').catch(() => '');
  return validator === '' ? {} : { range, 'if-range': validator };
}

/** Where the body of this answer begins in the file. */
async function startOf(response: Response, options: DownloadOptions, have: number): Promise<number | 'complete'> {
  const { status } = response;
  if (status !== 200) await discardUnless206(response);
  if (status === 416 && totalOf(response) === have) return 'complete';
  if (status === 416) {
    await rm(options.part, { force: true });
    throw new SourceFailure('the source has fewer bytes than what was downloaded before', 'soon');
  }
  if (status !== 200 && status !== 206) throw refusal(response, options);
  const start = status === 206 ? rangeStart(response) : 0;
  if (start !== 0 && start !== have) throw new SourceFailure('the source answered with another range', 'no');
  const total = totalOf(response);
  if (options.bytes !== undefined && total !== undefined && total !== options.bytes) {
    await response.body?.cancel();
    throw new SourceFailure(`the source has ${total} bytes instead of ${options.bytes}`, 'no');
  }
  if (response.headers.get('content-type')?.startsWith('text/html')) {
    await response.body?.cancel();
    throw new SourceFailure('the source answered with a web page instead of the file', 'no');
  }
  return start;
}

async function discardUnless206(response: Response): Promise<void> {
  if (response.status !== 206) await response.body?.cancel();
}

function refusal({ status }: Response, { url }: DownloadOptions): SourceFailure {
  const { host } = new URL(url);
  if (status === 401 || status === 403) {
    return new SourceFailure(`${host} wants a login (HTTP ${status}): accept the licence there, set HF_TOKEN`, 'no');
  }
  const soon = status === 408 || status === 429 || status >= 500;
  return new SourceFailure(`${host} answered HTTP ${status}`, soon ? 'soon' : 'no');
}

/** Keeps what proves that a later range belongs to the same file; not needed where the hash does that. */
async function remember(response: Response, { part, hashed }: DownloadOptions): Promise<void> {
  if (hashed) return;
  const etag = response.headers.get('etag') ?? '';
  const validator = etag !== '' && !etag.startsWith('W/') ? etag : (response.headers.get('last-modified') ?? '');
  await writeFile(validatorOf(part), validator).catch((error) => Promise.reject(toDiskError(error, part)));
}

async function writeBody(
  response: Response,
  options: DownloadOptions & { readonly start: number },
  alive: () => void,
): Promise<void> {
  const { part, start, progress } = options;
  const total = totalOf(response) ?? options.bytes;
  await using file = await openAt(part, start);
  let done = start;
  progress(done, total);
  for await (const chunk of response.body ?? []) {
    alive();
    await writeAll(file.handle, chunk, done).catch((error) => Promise.reject(toDiskError(error, part)));
    done += chunk.length;
    progress(done, total);
  }
  if (total !== undefined && done < total) throw new SourceFailure('the connection ended early', 'soon');
}

async function openAt(path: string, start: number): Promise<AsyncDisposable & { handle: FileHandle }> {
  try {
    const handle = await open(path, start === 0 ? 'w' : 'r+');
    return { handle, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** Writes every byte: a disk that is nearly full takes a part first and says so at the next write only. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function rangeStart(response: Response): number {
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (start === undefined) throw new SourceFailure('the source sent a part without saying which', 'no');
  return Number(start);
}

/** Size of the whole file as the answer tells it. */
function totalOf(response: Response): number | undefined {
  const ranged = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (ranged !== undefined) return Number(ranged);
  const length = response.headers.get('content-length');
  const plain = response.status === 200 && response.headers.get('content-encoding') === null;
  return plain && length !== null ? Number(length) : undefined;
}

function validatorOf(part: string): string {
  return `${part}.validator`;
}

/** Bytes of a file; 0 when there is none. */
export function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
