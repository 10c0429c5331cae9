import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { GatewayCount, type Presence, partOf } from './gateway-count.js';

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
    const presence = new ScriptedPresence();
    const count = await GatewayCount.open({ presence, log, beatMs: 1 });
    const rateWith = async (answer: number | TercetError) => {
      await presence.answered(answer);
      return count.partOf(limits).requestsPerMinute;
    };
    expect(await rateWith(3)).toBe(20);
    expect(await rateWith(new TercetError('store_unavailable'))).toBe(20);
    expect(await rateWith(2)).toBe(30);
    await count[Symbol.asyncDispose]();
    expect(presence.left).toEqual([...presence.ids]);
  });
});

/** Says that so many are there, or fails. */
class ScriptedPresence implements Presence {
  readonly ids = new Set<string>();
  readonly left: string[] = [];
  #answer: number | TercetError = 1;
  #beats = 0;

  async beat(id: string): Promise<number> {
    this.ids.add(id);
    this.#beats++;
    if (this.#answer instanceof TercetError) throw this.#answer;
    return this.#answer;
  }

  async leave(id: string): Promise<void> {
    this.left.push(id);
  }

  /** Resolves when beats were answered so. */
  async answered(answer: number | TercetError): Promise<void> {
    this.#answer = answer;
    for (const enough = this.#beats + 3; this.#beats < enough; ) await setImmediate();
  }
}
