import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Response } from 'express';
import { EventStream } from './event-stream.js';

let server: Server;
let asked: Promise<EventStream>;
beforeEach(async () => {
  const { promise, resolve } = Promise.withResolvers<EventStream>();
  asked = promise;
  server = createServer((_, response) => resolve(new EventStream(response as Response, { 'X-More': 'yes' })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('EventStream', () => {
  test('events, named or not, as the specification writes them', async () => {
    const opening = open();
    const stream = await asked;
    await stream.send({ a: 'ü\n' });
    const response = await opening;
    await stream.send(undefined);
    await stream.send({}, 'done');
    await stream.send('[DONE]');
    stream.end();
    const text = (await response.setEncoding('utf8').toArray()).join('');
    expect(text).toBe('data: {"a":"ü\\n"}\n\nevent: done\ndata: {}\n\ndata: [DONE]\n\n');
    expect(response.headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'x-more': 'yes' });
  });

  test('waits for a reader who is slow, and goes on when it reads', async () => {
    const opening = open();
    const stream = await asked;
    let sent = 0;
    const sending = (async () => {
      for (; sent < 200; sent++) await stream.send({ text: 'x'.repeat(100_000) });
      stream.end();
    })();
    const response = await opening;
    while (!(await isStill(() => sent)));
    expect(sent).toBeLessThan(200);
    response.resume();
    await sending;
  });

  test('does not wait for a reader who is gone', async () => {
    const opening = open();
    const stream = await asked;
    const sending = (async () => {
      for (let sent = 0; sent < 200; sent++) await stream.send({ text: 'x'.repeat(100_000) });
    })();
    (await opening).destroy();
    await sending;
  });
});

async function open(): Promise<IncomingMessage> {
  const request = get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

/** The number has been the same for a while. */
async function isStill(number: () => number): Promise<boolean> {
  const before = number();
  await new Promise((resolve) => setTimeout(resolve, 100));
  return before > 0 && number() === before;
}
