import { createSocket, type Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { HostResolver, type HostResolverOptions } from './host-resolver.js';
import type { Address } from './http-get.js';

/** A name server on this machine: names with their addresses; `slow` names get no answer, others do not exist. */
const zone: Record<string, string[]> = {
  'both.example': ['2606:4700::1', '198.51.100.7'],
  'four.example': ['198.51.100.8', '198.51.100.9'],
  'six.example': ['2606:4700::2'],
};
let server: Socket;
let servers: string[];
const questions: string[] = [];
beforeAll(async () => {
  server = createSocket('udp4', (query, { port, address }) => {
    const answer = answerTo(query);
    if (answer !== undefined) server.send(answer, port, address);
  });
  await new Promise<void>((resolve) => void server.bind(0, '127.0.0.1', resolve));
  servers = [`127.0.0.1:${server.address().port}`];
});
afterAll(() => void server.close());

test.each([
  ['both.example', ['198.51.100.7', '2606:4700::1']],
  ['four.example', ['198.51.100.8', '198.51.100.9']],
  ['six.example', ['2606:4700::2']],
  ['192.0.2.1', ['192.0.2.1']],
  ['::1', ['::1']],
])('%s is %s', async (host, expected) => {
  const found = await open().resolve(host);
  expect(found.map(({ address }) => address)).toEqual(expected);
  expect(found.map(({ family }) => family)).toEqual(expected.map((address) => (isIPv4(address) ? 4 : 6)));
});

test('a name that name servers do not know is looked up by the system', async () => {
  const resolver = open({ lookup: async (host) => [{ address: host === 'pictures' ? '10.0.0.5' : '', family: 4 }] });
  expect(await resolver.resolve('pictures')).toEqual([{ address: '10.0.0.5', family: 4 }]);
});

test('a name server that does not answer is given up, and the system is not asked', async () => {
  const lookup = async (): Promise<never> => {
    throw new Error('asked the system');
  };
  await expect(open({ lookup, timeoutMs: 100 }).resolve('slow.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
});

test('the system looks up two names at a time, and one that fails makes room', async () => {
  let running = 0;
  let most = 0;
  const lookup = async (host: string): Promise<Address[]> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running--;
    if (host === 'name-1') throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    return [{ address: '10.0.0.1', family: 4 }];
  };
  const resolver = open({ lookup });
  const names = Array.from({ length: 7 }, (_, i) => `name-${i}`);
  const answers = await Promise.allSettled(names.map((name) => resolver.resolve(name)));
  expect(answers.map(({ status }) => status)).toEqual(names.map((n) => (n === 'name-1' ? 'rejected' : 'fulfilled')));
  expect(most).toBe(2);
});

test('equal questions at one time are asked once, a later one again', async () => {
  const resolver = open();
  questions.length = 0;
  await Promise.all([1, 2, 3, 4].map(() => resolver.resolve('four.example')));
  expect(questions).toEqual(['four.example', 'four.example']);
  await resolver.resolve('four.example');
  expect(questions.length).toBe(4);
});

function open(options: Partial<HostResolverOptions> = {}): HostResolver {
  return new HostResolver({ timeoutMs: 2000, servers, ...options });
}

/** RFC 1035, section 4: the question comes back with one record for each address of the type asked for. */
function answerTo(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join('.').toLowerCase();
  questions.push(name);
  if (name.startsWith('slow')) return undefined;
  const wantsFour = query.readUInt16BE(at + 1) === 1;
  const addresses = (zone[name] ?? []).filter((address) => isIPv4(address) === wantsFour);
  const head = Buffer.from(query.subarray(0, at + 5));
  head.writeUInt16BE(zone[name] === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...addresses.map(recordOf)]);
}

function recordOf(address: string): Buffer {
  const four = isIPv4(address);
  const [left = '', right = ''] = address.split('::');
  const groups = (text: string): number[] => text.split(':').map((group) => Number.parseInt(group, 16));
  const low = groups(right);
  const words = [...groups(left), ...Array.from({ length: 8 - groups(left).length - low.length }, () => 0), ...low];
  const data = four ? address.split('.').map(Number) : words.flatMap((word) => [word >> 8, word & 255]);
  return Buffer.from([0xc0, 12, 0, four ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
}
