import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MediaFetcher } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-tls-'));
const made = spawnSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
  ...['-subj', '/CN=pictures.example', '-addext', 'subjectAltName=DNS:pictures.example'],
  ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
]);
const testTls = made.status === 0 ? test : test.skip;
const never = new AbortController().signal;
const known = getCACertificates('default');
const fetcher = new MediaFetcher({
  bytesMax: 1000,
  totalMs: 5000,
  connectMs: 300,
  allowPrivate: ['127.0.0.1'],
  resolve: async () => [{ address: '127.0.0.1', family: 4 }],
});
let server: Server | undefined;
let port = 0;

beforeAll(async () => {
  if (made.status !== 0) return;
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(folder, name), 'utf8'));
  server = createServer({ key, cert }, (_, response) => response.end('picture'));
  await new Promise<void>((resolve) => void server?.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  setDefaultCACertificates([...known, cert as string]);
});
afterAll(() => {
  setDefaultCACertificates(known);
  server?.close();
  rmSync(folder, { recursive: true });
});

testTls('the certificate is checked against the name of the URL, not the address (needs openssl)', async () => {
  const bytes = await fetcher.fetch(`https://pictures.example:${port}/`, never);
  expect(Buffer.from(bytes).toString()).toBe('picture');
  await expect(fetcher.fetch(`https://other.example:${port}/`, never)).rejects.toMatchObject({
    code: 'media_fetch_failed',
    details: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID', host: 'other.example' },
  });
});

testTls('a certificate that nobody vouches for is refused (needs openssl)', async () => {
  setDefaultCACertificates(known);
  await expect(fetcher.fetch(`https://pictures.example:${port}/`, never)).rejects.toMatchObject({
    code: 'media_fetch_failed',
    details: { reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  });
});

test('a handshake that hangs is given up', async () => {
  const silent = createTcpServer(() => {});
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
  const { port: silentPort } = silent.address() as AddressInfo;
  await expect(fetcher.fetch(`https://pictures.example:${silentPort}/`, never)).rejects.toMatchObject({
    details: { reason: 'no connection within 300 ms' },
  });
  silent.close();
});
