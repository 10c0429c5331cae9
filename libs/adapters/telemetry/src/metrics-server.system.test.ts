import { expect, test } from '@jest/globals';
import { MetricsServer } from './metrics-server.js';

const exposition = { contentType: 'text/plain; version=0.0.4', text: async () => 'up 1\n' };

const listen = { host: '127.0.0.1', port: 0, isReady: () => true };

test('answers a scrape, and nothing else', async () => {
  await using server = await MetricsServer.open(listen, exposition);
  const at = (path: string, method = 'GET') => fetch(`http://${server.endpoint}${path}`, { method });
  const scraped = await at('/metrics');
  expect([await scraped.text(), scraped.headers.get('content-type')]).toEqual(['up 1\n', 'text/plain; version=0.0.4']);
  expect((await at('/')).status).toBe(404);
  const refused = await at('/metrics', 'POST');
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('says whether the process serves, each time anew', async () => {
  let isReady = false;
  await using server = await MetricsServer.open({ ...listen, isReady: () => isReady }, exposition);
  const status = async () => (await fetch(`http://${server.endpoint}/readyz`)).status;
  expect(await status()).toBe(503);
  isReady = true;
  expect(await status()).toBe(200);
});

test('says so when somebody else has the port', async () => {
  await using first = await MetricsServer.open(listen, exposition);
  const port = Number(first.endpoint.split(':').at(-1));
  await expect(MetricsServer.open({ ...listen, port }, exposition)).rejects.toMatchObject({ code: 'port_in_use' });
});
