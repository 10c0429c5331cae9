import { describe, expect, test } from '@jest/globals';
import { discoveryOf, type ResolveName } from './discovery.js';

const names: Readonly<Record<string, Awaited<ReturnType<ResolveName>>>> = {
  pool: [
    { address: '10.0.0.1', family: 4 },
    { address: '10.0.0.2', family: 4 },
  ],
  both: [
    { address: 'fd00::1', family: 6 },
    { address: '10.0.0.3', family: 4 },
  ],
  six: [{ address: 'fd00::2', family: 6 }],
};

async function resolve(name: string): ReturnType<ResolveName> {
  const found = names[name];
  if (found === undefined)
    throw Object.assign(new Error(name), { code: name === 'broken' ? 'EAI_AGAIN' : 'ENOTFOUND' });
  return found;
}

describe('discovery', () => {
  test.each([
    { name: 'a socket is itself', workers: ['unix:/run/p.sock'], found: ['unix:/run/p.sock'] },
    { name: 'so is an address', workers: ['127.0.0.1:70', '[::1]:70'], found: ['127.0.0.1:70', '[::1]:70'] },
    { name: 'a name is all of its addresses', workers: ['pool:70'], found: ['10.0.0.1:70', '10.0.0.2:70'] },
    { name: 'a pod with addresses of two families is one', workers: ['both:70'], found: ['10.0.0.3:70'] },
    { name: 'an address of version 6 stands in brackets', workers: ['six:70'], found: ['[fd00::2]:70'] },
    { name: 'a name that nobody has is no pod', workers: ['nobody:70', 'six:70'], found: ['[fd00::2]:70'] },
  ])('$name', async ({ workers, found }) => {
    expect(await discoveryOf(workers, resolve).endpoints()).toEqual(found);
  });

  test('when no name server answers, nobody can say', async () => {
    const asked = discoveryOf(['pool:70', 'broken:70'], resolve).endpoints();
    await expect(asked).rejects.toMatchObject({ code: 'pod_unreachable', details: { name: 'broken' } });
  });
});
