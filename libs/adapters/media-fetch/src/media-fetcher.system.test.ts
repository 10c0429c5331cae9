import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MediaFetcher, type MediaFetcherOptions } from './index.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const picture = Uint8Array.from({ length: 5000 }, (_, i) => (i * 31) % 251);
const never = new AbortController().signal;
const options: MediaFetcherOptions = {
  bytesMax: 10_000,
  redirectsMax: 3,
  connectMs: 2000,
  answerMs: 2500,
  totalMs: 4000,
  allowPrivate: ['127.0.0.1'],
};

const answers: Record<string, Answer> = {
  '/good.png': (_, response) => response.setHeader('content-type', 'image/png').end(picture),
  '/odd-type': (_, response) => response.setHeader('content-type', 'application/octet-stream').end(picture),
  '/gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(picture)),
  '/deflate': (_, response) => response.setHeader('content-encoding', 'deflate').end(deflateSync(picture)),
  '/brotli': (_, response) => response.setHeader('content-encoding', 'br').end(brotliCompressSync(picture)),
  '/gzip-bomb': (_, response) =>
    response.setHeader('content-encoding', 'gzip').end(gzipSync(new Uint8Array(50_000_000))),
  '/gzip-cut': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(picture).subarray(0, 100)),
  '/unknown-encoding': (_, response) => response.setHeader('content-encoding', 'zip').end(picture),
  '/page': (_, response) => response.setHeader('content-type', 'text/html; charset=utf-8').end('<html></html>'),
  '/empty': (_, response) => response.end(),
  '/404': (_, response) => response.writeHead(404).end('no'),
  '/500': (_, response) => response.writeHead(500).end('no'),
  '/part': (_, response) => response.writeHead(206).end(picture),
  '/hang': () => {},
  '/drip': (_, response) => drip(response),
  '/hang-up': (request) => request.socket.destroy(),
  '/too-long': (_, response) => response.end(new Uint8Array(10_001)),
  '/too-long-unsaid': (_, response) => {
    for (let i = 0; i < 20; i++) response.write(new Uint8Array(1000));
    response.end();
  },
  '/says-too-long': (_, response) => {
    response.setHeader('content-length', '1000000000');
    response.write(picture);
  },
  '/says-more': (request, response) => {
    response.writeHead(200, { 'content-length': '9000' });
    response.write(picture, () => request.socket.end());
  },
  '/says-less': (request) => {
    request.socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabcdefgh`);
  },
  '/nonsense': (request) => request.socket.end('this is no HTTP\r\n\r\n'),
  '/huge-head': (request) => request.socket.end(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(200_000)}\r\n\r\nabc`),
  '/to-good': redirectTo('/good.png', 302),
  '/to-good-308': redirectTo('good.png', 308),
  '/loop': redirectTo('/loop'),
  '/nowhere': (_, response) => response.writeHead(302).end(),
  '/to-file': redirectTo('file:///etc/passwd'),
  '/to-data': redirectTo('data:image/png;base64,AAAA'),
  '/to-credentials': redirectTo('http://me:secret@127.0.0.1/'),
  '/to-private': redirectTo('http://127.0.0.2:9/'),
  '/to-metadata': redirectTo('http://169.254.169.254/latest/meta-data/'),
  '/to-name': redirectTo('http://inside.example/'),
};
for (let i = 1; i <= 4; i++) answers[`/hop-${i}`] = redirectTo(i === 1 ? '/good.png' : `/hop-${i - 1}`);

let server: Server;
let origin: string;
let port: number;
const seen: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.url}`);
    (answers[request.url ?? ''] ?? ((_, r) => r.writeHead(404).end()))(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  origin = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('bytes come back', () => {
  test.each(['/good.png', '/odd-type', '/gzip', '/deflate', '/brotli', '/to-good', '/to-good-308', '/hop-3'])(
    'of %s',
    async (path) => {
      expect(Array.from(await fetchMedia(path))).toEqual(Array.from(picture));
    },
  );

  test('no more than was said', async () => {
    expect(Buffer.from(await fetchMedia('/says-less')).toString()).toBe('abc');
  });

  test('of a data URL', async () => {
    const url = 'data:image/png;base64,AQID';
    expect(Array.from(await new MediaFetcher(options).fetch(url, never))).toEqual([1, 2, 3]);
  });
});

describe('failures have their code', () => {
  test.each([
    ['/page', 'media_type_unsupported', 'text/html'],
    ['/empty', 'media_fetch_failed', 'empty'],
    ['/404', 'media_fetch_failed', '404'],
    ['/500', 'media_fetch_failed', '500'],
    ['/part', 'media_fetch_failed', '206'],
    ['/nowhere', 'media_fetch_failed', '302'],
    ['/hang', 'media_fetch_failed', 'no answer within 2500 ms'],
    ['/drip', 'media_fetch_failed', 'not done within 4000 ms'],
    ['/hang-up', 'media_fetch_failed', 'ECONNRESET'],
    ['/too-long', 'media_too_large', '10001'],
    ['/too-long-unsaid', 'media_too_large', '10000'],
    ['/says-too-long', 'media_too_large', '1000000000'],
    ['/gzip-bomb', 'media_too_large', '10000'],
    ['/gzip-cut', 'media_fetch_failed', 'Z_BUF_ERROR'],
    ['/unknown-encoding', 'media_fetch_failed', 'encoding'],
    ['/says-more', 'media_fetch_failed', 'ECONNRESET'],
    ['/nonsense', 'media_fetch_failed', 'HPE_'],
    ['/huge-head', 'media_fetch_failed', 'HPE_HEADER_OVERFLOW'],
    ['/loop', 'media_fetch_failed', 'redirects'],
    ['/hop-4', 'media_fetch_failed', 'redirects'],
    ['/to-file', 'media_fetch_failed', 'http or https'],
    ['/to-data', 'media_fetch_failed', 'http or https'],
    ['/to-credentials', 'media_fetch_failed', 'credentials'],
    ['/to-private', 'media_address_refused', '127.0.0.2'],
    ['/to-metadata', 'media_address_refused', '169.254.169.254'],
  ])('%s: %s, %s', async (path, code, part) => {
    const failure = await failureOf(fetchMedia(path));
    expect([failure.code, failure.message]).toEqual([code, expect.stringContaining(part)]);
  });

  test.each([
    ['file:///etc/passwd', 'media_fetch_failed'],
    ['ftp://example.com/a.png', 'media_fetch_failed'],
    ['not a url', 'media_fetch_failed'],
    ['', 'media_fetch_failed'],
    ['http://', 'media_fetch_failed'],
    [`http://example.com/${'a'.repeat(9000)}`, 'media_fetch_failed'],
    ['http://127.0.0.2/', 'media_address_refused'],
    ['http://0x7f000002/', 'media_address_refused'],
    ['http://2130706434/', 'media_address_refused'],
    ['http://127.2/', 'media_address_refused'],
    ['http://0/', 'media_address_refused'],
    ['http://[::1]/', 'media_address_refused'],
    ['http://[::ffff:127.0.0.2]/', 'media_address_refused'],
    ['http://[fd00::1]:8080/', 'media_address_refused'],
  ])('%s: %s', async (url, code) => {
    const failure = await failureOf(new MediaFetcher(options).fetch(url, never));
    expect(failure.code).toBe(code);
  });

  test('a closed port is media_fetch_failed and names the host, not the URL', async () => {
    const failure = await failureOf(new MediaFetcher(options).fetch('http://127.0.0.1:1/secret?key=5', never));
    expect(failure).toMatchObject({
      code: 'media_fetch_failed',
      details: { reason: 'ECONNREFUSED', host: '127.0.0.1' },
    });
    expect(failure.message).not.toContain('secret');
  });
});

describe('names', () => {
  test('the connection goes to the address that was checked, under the name that was asked for', async () => {
    const asked: string[] = [];
    // A name whose second answer would lead elsewhere: it is never asked a second time.
    const resolve = async (host: string): Promise<[{ address: string; family: 4 }]> => {
      asked.push(host);
      return [{ address: asked.length === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
    };
    const fetcher = new MediaFetcher({ ...options, resolve });
    const bytes = await fetcher.fetch(`http://pictures.example:${port}/good.png`, never);
    expect(bytes.length).toBe(picture.length);
    expect([asked, seen.at(-1)]).toEqual([['pictures.example'], `pictures.example:${port} /good.png`]);
  });

  test('a name with one address that is not allowed is refused', async () => {
    const resolve = async (): Promise<{ address: string; family: 4 | 6 }[]> => [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    const failure = await failureOf(new MediaFetcher({ ...options, resolve }).fetch(`${origin}/good.png`, never));
    expect(failure.code).toBe('media_address_refused');
  });

  test('a redirect to a name is looked up and checked as well', async () => {
    const resolve = async (host: string): Promise<[{ address: string; family: 4 }]> => [
      { address: host === 'inside.example' ? '10.0.0.1' : '127.0.0.1', family: 4 },
    ];
    const failure = await failureOf(new MediaFetcher({ ...options, resolve }).fetch(`${origin}/to-name`, never));
    expect(failure).toMatchObject({ code: 'media_address_refused', details: { host: 'inside.example' } });
  });

  test('a look-up that hangs is given up', async () => {
    const resolve = (): Promise<never> => new Promise(() => {});
    const fetcher = new MediaFetcher({ ...options, connectMs: 50, resolve });
    const failure = await failureOf(fetcher.fetch('http://slow.example/', never));
    expect(failure.message).toContain('no address within 50 ms');
  });

  test('a name that does not exist is media_fetch_failed', async () => {
    const resolve = async (): Promise<never> => {
      throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
    };
    const failure = await failureOf(new MediaFetcher({ ...options, resolve }).fetch('http://gone.example/', never));
    expect(failure).toMatchObject({ code: 'media_fetch_failed', details: { reason: 'ENOTFOUND' } });
  });
});

test.each(['/hang', '/drip'])('%s ends when the request is aborted, with its reason', async (path) => {
  const abort = new AbortController();
  const fetched = new MediaFetcher({ ...options, answerMs: 5000, totalMs: 5000 }).fetch(origin + path, abort.signal);
  setTimeout(() => abort.abort(new Error('client went away')), 50);
  await expect(fetched).rejects.toThrow('client went away');
  await expect(new MediaFetcher(options).fetch(`${origin}/good.png`, abort.signal)).rejects.toThrow('went away');
});

test('no connection is left open', async () => {
  await fetchMedia('/good.png');
  await failureOf(fetchMedia('/too-long-unsaid'));
  await failureOf(fetchMedia('/says-too-long'));
  server.closeIdleConnections();
  const deadline = performance.now() + 2000;
  let open = -1;
  while (open !== 0 && performance.now() < deadline) {
    await new Promise(setImmediate);
    open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  }
  expect(open).toBe(0);
});

function fetchMedia(path: string): Promise<Uint8Array> {
  return new MediaFetcher(options).fetch(origin + path, never);
}

async function failureOf(fetched: Promise<Uint8Array>): Promise<Error & { code?: string; details?: object }> {
  return await fetched.then(
    (bytes) => {
      throw new Error(`came back with ${bytes.length} bytes`);
    },
    (error: Error) => error,
  );
}

function redirectTo(location: string, status = 302): Answer {
  return (_, response) => response.writeHead(status, { location }).end();
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write('x'), 20);
  response.on('close', () => clearInterval(timer));
}
