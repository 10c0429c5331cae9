import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { FactJournal, PodFacts } from '@tercet/facts';
import { GrpcChannel, GrpcServer, service } from '@tercet/grpc';

const prefill = { role: wire.Role.ROLE_PREFILL, epoch: 1n };
const keysInMessage = 16_384;

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

/** A worker with this journal, and a router that knows nothing of it yet. */
async function connected(journal: FactJournal) {
  journal.setRole(prefill);
  const watchFacts = (request: wire.WatchFactsRequest, { signal }: { signal: AbortSignal }) =>
    journal.watch(request, signal);
  const server = opened.use(await GrpcServer.open('127.0.0.1:0', [service(wire.FactsDefinition, { watchFacts })]));
  const channel = opened.use(GrpcChannel.open(server.endpoint));
  const facts = new PodFacts({ keysMax: 1_000_000 });
  return { facts, watch: () => channel.client(wire.FactsDefinition).watchFacts(facts.place) };
}

/** Reads until the router knows what the journal has by now; returns why it got snapshots meanwhile. */
async function catchUp(
  messages: AsyncIterator<wire.FactsMessage>,
  { facts, journal }: { facts: PodFacts; journal: FactJournal },
): Promise<string[]> {
  const reasons: string[] = [];
  while (!facts.isOf(prefill) || facts.place.sequence !== journal.sequence) {
    const { value, done } = await messages.next();
    if (done === true) throw new Error('the stream ended');
    if (value.body?.$case === 'resync') reasons.push(wire.ResyncReason[value.body.value.reason]);
    expect(facts.apply(value)).toBe('applied');
  }
  return reasons;
}

describe('a stream of facts over gRPC', () => {
  test('a router that is far behind is told so and gets a snapshot; what waits for it is bounded', async () => {
    const journal = new FactJournal({ generation: 1n });
    const { facts, watch } = await connected(journal);
    const messages = watch()[Symbol.asyncIterator]();
    expect(await catchUp(messages, { facts, journal })).toEqual(['RESYNC_REASON_FIRST']);
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 250; round++) {
      const fresh = Array.from({ length: keysInMessage }, (_, i) => 1_000_000 + round * keysInMessage + i);
      journal.changePrefixes({ stored: fresh, evicted: [] });
      journal.changePrefixes({ stored: [], evicted: fresh });
      for (let turns = 0; turns < 5; turns++) await turn();
    }
    // 65 MB were told, of which the connection holds 16 MiB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(400e6);
    journal.changePrefixes({ stored: [7], evicted: [] });
    expect(await catchUp(messages, { facts, journal })).toEqual(['RESYNC_REASON_SLOW']);
    expect([facts.storedBlocks([7]), facts.keyCount.prefixBlocks]).toEqual([1, 1]);
    await messages.return?.();
  });

  test('a router that comes back hears what it missed, and only that', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole(prefill);
    journal.changePrefixes({ stored: [1, 2], evicted: [] });
    const { facts, watch } = await connected(journal);
    const messages = watch()[Symbol.asyncIterator]();
    await catchUp(messages, { facts, journal });
    await messages.return?.();
    facts.pause();
    journal.changePrefixes({ stored: [3], evicted: [1] });
    const again = watch()[Symbol.asyncIterator]();
    const first = await again.next();
    expect([first.value?.body?.$case, facts.apply(first.value)]).toEqual(['resumed', 'applied']);
    expect(await catchUp(again, { facts, journal })).toEqual([]);
    expect([facts.storedBlocks([2, 3]), facts.storedBlocks([1])]).toEqual([2, 0]);
    await again.return?.();
  });

  test('a large cache comes in parts', async () => {
    const journal = new FactJournal({ generation: 1n });
    journal.setRole(prefill);
    const all = Array.from({ length: 5 * keysInMessage + 1 }, (_, i) => i);
    journal.changePrefixes({ stored: all, evicted: [] });
    const { facts, watch } = await connected(journal);
    let parts = 0;
    for await (const message of watch()) {
      expect(facts.apply(message)).toBe('applied');
      if (message.body?.$case === 'snapshot') parts++;
      if (facts.isOf(prefill)) break;
    }
    expect([parts, facts.storedBlocks(all)]).toEqual([6, all.length]);
  });
});
