import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { TercetError } from '@tercet/contracts';
import { AddressRules } from './address-rules.js';
import { readDataUrl } from './data-url.js';
import { HostResolver } from './host-resolver.js';
import { type Address, httpGet } from './http-get.js';

export interface MediaFetcherOptions {
  readonly bytesMax: number;
  /** Longest whole fetch, with all redirects. */
  readonly totalMs: number;
  /** Addresses that are not public are refused unless this is true or lists their subnet. */
  readonly allowPrivate: boolean | readonly string[];
  /** Longest look-up of a name, and longest wait for a connection, TLS included. */
  readonly connectMs?: number;
  /** Longest wait from the connection to the head of the answer. */
  readonly answerMs?: number;
  readonly redirectsMax?: number;
  /** Addresses of a host name; name servers and the system are asked unless given. */
  readonly resolve?: (host: string) => Promise<readonly Address[]>;
}

/** Longest URL that is not a data URL. */
const urlLengthMax = 8192;
const redirects = new Set([301, 302, 303, 307, 308]);
const pageTypes = new Set(['text/html', 'application/xhtml+xml']);

/** Reads media that a request names by URL, with limits, and only from addresses that a stranger may reach. */
export class MediaFetcher {
  readonly #options: Required<MediaFetcherOptions>;
  readonly #rules: AddressRules;

  constructor(options: MediaFetcherOptions) {
    const { totalMs } = options;
    const connectMs = options.connectMs ?? Math.min(5000, totalMs);
    const names = new HostResolver({ timeoutMs: connectMs });
    const resolve = (host: string): Promise<readonly Address[]> => names.resolve(host);
    this.#options = { answerMs: totalMs, redirectsMax: 5, resolve, ...options, connectMs };
    this.#rules = new AddressRules(options.allowPrivate);
  }

  /**
   * Bytes behind a `data:`, `http:` or `https:` URL. Every hop's name is looked up once, all its addresses are checked,
   * and the connection goes to what was checked. Details of errors hold the host, never the URL, which may be a secret.
   * @throws media_fetch_failed, media_address_refused, media_too_large, media_type_unsupported (a page), media_invalid
   *   (a damaged data URL); the signal's reason when it aborts
   */
  async fetch(url: string, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (/^data:/i.test(url)) return readDataUrl(url, this.#options.bytesMax);
    const { totalMs } = this.#options;
    const whole = AbortSignal.timeout(totalMs);
    const either = AbortSignal.any([signal, whole]);
    let host: string | undefined;
    try {
      let next = parseUrl(url);
      for (let hops = 0; ; hops++) {
        host = next.hostname;
        const response = await this.#get(next, either);
        const location = redirects.has(response.statusCode ?? 0) ? response.headers.location : undefined;
        if (location === undefined) return await this.#read(response, either);
        response.destroy();
        if (hops >= this.#options.redirectsMax) throw fetchFailed('too many redirects');
        next = parseUrl(location, next);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw describe(whole.aborted ? fetchFailed(`not done within ${totalMs} ms`) : error, host);
    }
  }

  async #get(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    const { connectMs, answerMs } = this.#options;
    const late = fetchFailed(`no address within ${connectMs} ms`);
    const addresses = await unlessAborted(this.#resolve(url.hostname), signal, { ms: connectMs, late });
    const refused = addresses.find(({ address }) => !this.#rules.isAllowed(address));
    if (refused !== undefined) throw new TercetError('media_address_refused');
    return await httpGet(url, { addresses, connectMs, answerMs }, signal);
  }

  async #resolve(hostname: string): Promise<readonly Address[]> {
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = await this.#options.resolve(host);
    if (addresses.length === 0) throw fetchFailed('the host has no address');
    return addresses;
  }

  async #read(response: IncomingMessage, signal: AbortSignal): Promise<Uint8Array> {
    const { bytesMax } = this.#options;
    try {
      const { statusCode, headers } = response;
      if (statusCode !== 200) throw new TercetError('media_fetch_failed', { status: statusCode });
      const contentType = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
      if (pageTypes.has(contentType)) throw new TercetError('media_type_unsupported', { contentType });
      const length = Number(headers['content-length'] ?? 0);
      if (length > bytesMax) throw new TercetError('media_too_large', { bytes: length, bytesMax });
      return await collect(decoded(response), bytesMax, signal);
    } finally {
      response.destroy();
    }
  }
}

function parseUrl(text: string, base?: URL): URL {
  const url = text.length <= urlLengthMax ? URL.parse(text, base?.href) : null;
  if (url === null) throw fetchFailed('not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw fetchFailed('not an http or https URL');
  if (url.username !== '' || url.password !== '') throw fetchFailed('a URL with credentials');
  return url;
}

/** What the server was asked not to do it may do all the same. */
function decoded(response: IncomingMessage): Readable {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  switch (encoding) {
    case '':
    case 'identity':
      return response;
    case 'gzip':
    case 'x-gzip':
      return through(response, createGunzip());
    case 'deflate':
      return through(response, createInflate());
    case 'br':
      return through(response, createBrotliDecompress());
    default:
      throw fetchFailed('an unknown content encoding');
  }
}

function through(response: IncomingMessage, decoder: ReturnType<typeof createGunzip>): Readable {
  response.once('error', (error) => decoder.destroy(error));
  return response.pipe(decoder);
}

async function collect(body: Readable, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
  const onAbort = (): void => void body.destroy(new Error('aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new TercetError('media_too_large', { bytesMax });
      chunks.push(chunk);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    body.destroy();
  }
  if (bytes === 0) throw fetchFailed('an empty answer');
  const out = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** The look-up of a name cannot be cancelled, but nobody has to wait for it. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, limit: { ms: number; late: Error }): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    const timer = setTimeout(() => reject(limit.late), limit.ms);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

function fetchFailed(reason: string): TercetError {
  return new TercetError('media_fetch_failed', { reason });
}

/** The same failure with the host that it happened at. */
function describe(error: unknown, host: string | undefined): TercetError {
  if (error instanceof TercetError) return new TercetError(error.code, { ...error.details, host }, { cause: error });
  const reason = (error as NodeJS.ErrnoException).code ?? 'the connection failed';
  return new TercetError('media_fetch_failed', { reason, host }, { cause: error });
}
