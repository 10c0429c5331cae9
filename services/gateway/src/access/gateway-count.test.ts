import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { GatewayCount, partOf } from './gateway-count.js';

const limits = { requestsPerMinute: 60, tokensPerMinute: 9000, concurrency: 5, priority: 'low', weight: 2 } as const;
const log = { info: () => undefined, error: () => undefined };

describe('what one of several gateways gives a tenant', () => {
  test.each([
    { gateways: 1, part: limits },
    { gateways: 2, part: { ...limits, requestsPerMinute: 30, tokensPerMinute: 4500, concurrency: 2 } },
    { gateways: 10, part: { ...limits, requestsPerMinute: 6, tokensPerMinute: 900, concurrency: 1 } },
  ])('with $gateways of them is its part of the limits', ({ gateways, part }) => {
    expect(partOf(limits, gateways)).toEqual(part);
  });

  test('is no limit where the tenant has none', () => {
    expect(partOf({ priority: 'normal', weight: 1 }, 3)).toEqual({ priority: 'normal', weight: 1 });
  });

  test('follows the gateways that are there, and stays as it is while the store is away', async () => {
    const answers = [1, 3, new TercetError('store_unavailable'), 2];
    const ids = new Set<string>();
    const left: string[] = [];
    const exhausted = Promise.withResolvers<void>();
    const seen: (number | undefined)[] = [];
    const presence = {
      beat: async (id: string) => {
        ids.add(id);
        if (seen.length > 0 || ids.size === 0) seen.push(count?.partOf(limits).requestsPerMinute);
        const answer = answers.shift() ?? 2;
        if (answers.length === 0) exhausted.resolve();
        if (answer instanceof TercetError) throw answer;
        return answer;
      },
      leave: async (id: string) => void left.push(id),
    };
    let count: GatewayCount | undefined;
    seen.push(undefined);
    count = await GatewayCount.open({ presence, log, beatMs: 1 });
    await exhausted.promise;
    await count[Symbol.asyncDispose]();
    expect(seen.slice(2, 5)).toEqual([60, 20, 20]);
    expect([...ids]).toEqual(left);
  });
});
