import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { FactJournal, type FactJournalOptions } from './fact-journal.js';
import { Reading } from './testing.js';

const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
const { RESYNC_REASON_FIRST, RESYNC_REASON_RESTARTED, RESYNC_REASON_EXPIRED, RESYNC_REASON_SLOW } = wire.ResyncReason;
const generation = 7n;

function prefillJournal(more: Partial<FactJournalOptions> = {}): FactJournal {
  const journal = new FactJournal({ generation, ...more });
  journal.setRole({ role: ROLE_PREFILL, epoch: 1n });
  return journal;
}

const store = (...stored: number[]) => ({ stored, evicted: [] });

/** What a message says, short. */
function told({ body }: wire.FactsMessage): string {
  switch (body?.$case) {
    case 'change': {
      const { prefixBlocksStored, prefixBlocksEvicted, mediaCached, mediaEvicted } = body.value;
      return `+${[...prefixBlocksStored, ...mediaCached]} -${[...prefixBlocksEvicted, ...mediaEvicted]}`;
    }
    case 'snapshot':
      return `=${[...body.value.prefixBlocks, ...body.value.media]}${body.value.last ? '' : ' …'}`;
    case 'resync':
      return wire.ResyncReason[body.value.reason].replace('RESYNC_REASON_', 'resync ').toLowerCase();
    default:
      return body?.$case ?? 'nothing';
  }
}

describe('FactJournal', () => {
  test('a new reader gets a snapshot, then each change with the number after it', async () => {
    const journal = prefillJournal();
    journal.changePrefixes(store(1, 2));
    const reading = new Reading(journal);
    const before = await reading.all();
    expect(before.map(told)).toEqual(['resync first', '=1,2']);
    expect(before.at(-1)).toMatchObject({ generation, sequence: 2n, role: ROLE_PREFILL, epoch: 1n });
    journal.changePrefixes({ stored: [3], evicted: [1] });
    const after = await reading.all();
    expect(after.map(told)).toEqual(['+3 -1']);
    expect(after[0]).toMatchObject({ sequence: 3n });
  });

  test.each([
    { name: 'where it was goes on there', from: { generation, sequence: 3n }, says: ['resumed', '+3 -', '+4 -'] },
    { name: 'which missed nothing hears that', from: { generation, sequence: 5n }, says: ['resumed'] },
    {
      name: 'of another start of the process begins anew',
      from: { generation: 6n, sequence: 3n },
      says: ['resync restarted', '=1,2,3,4'],
    },
    {
      name: 'that comes back when its changes are gone begins anew',
      from: { generation, sequence: 1n },
      says: ['resync expired', '=1,2,3,4'],
    },
    {
      name: 'that says what cannot be begins anew',
      from: { generation, sequence: 99n },
      says: ['resync expired', '=1,2,3,4'],
    },
  ])('a reader $name', async ({ from, says }) => {
    const journal = prefillJournal({ keptKeysMax: 5 });
    for (const key of [1, 2, 3, 4]) journal.changePrefixes(store(key));
    expect((await new Reading(journal, from).all()).map(told)).toEqual(says);
  });

  test('a reader that is slower than the changes gets a snapshot; others hear every change', async () => {
    const journal = prefillJournal({ keptKeysMax: 4 });
    const [slow, quick] = [new Reading(journal), new Reading(journal)];
    await slow.all();
    await quick.all();
    const heard: string[] = [];
    for (const key of [1, 2, 3, 4]) {
      journal.changePrefixes(store(key));
      heard.push(...(await quick.all()).map(told));
    }
    expect(heard).toEqual(['+1 -', '+2 -', '+3 -', '+4 -']);
    // It waited for the first change and has that one; the others came while it did not read.
    expect((await slow.all()).map(told)).toEqual(['+1 -', 'resync slow', '=1,2,3,4']);
    journal.changePrefixes(store(5));
    expect((await slow.all()).map(told)).toEqual(['+5 -']);
    expect(journal.resyncs).toEqual({ first: 2, restarted: 0, expired: 0, slow: 1 });
  });

  test('large caches and changes go in parts of bounded size', async () => {
    const journal = prefillJournal({ messageKeysMax: 2 });
    const reading = new Reading(journal);
    await reading.all();
    journal.changePrefixes(store(1, 2, 3, 4, 5));
    journal.changePrefixes({ stored: [6], evicted: [1, 2] });
    expect((await reading.all()).map(told)).toEqual(['+1,2 -', '+3,4 -', '+5 -', '+ -1,2', '+6 -']);
    expect((await new Reading(journal).all()).map(told)).toEqual(['resync first', '=3,4 …', '=5,6']);
  });

  test('no message of the largest size is above 256 KiB', () => {
    const keys = Array.from({ length: 16_384 }, (_, i) => BigInt(2 ** 53 - 1 - i));
    const snapshot = { part: 9, last: true, prefixBlocks: keys, media: [] };
    const body = { $case: 'snapshot', value: snapshot } as const;
    const message = { generation: 2n ** 64n - 1n, sequence: 2n ** 64n - 1n, role: ROLE_ENCODE, epoch: 9n, body };
    expect(wire.FactsMessage.encode(message).finish().length).toBeLessThan(256 * 1024);
  });

  test('only what serves the role is told; a role that is back tells what is still there', async () => {
    const journal = prefillJournal();
    const reading = new Reading(journal);
    await reading.all();
    journal.changeMedia(store(10));
    journal.changePrefixes(store(1));
    journal.setRole({ role: ROLE_ENCODE, epoch: 2n });
    journal.changePrefixes(store(2));
    journal.changeMedia({ stored: [11], evicted: [10] });
    journal.setRole({ role: ROLE_DECODE, epoch: 3n });
    journal.changePrefixes({ stored: [], evicted: [1] });
    journal.setRole({ role: ROLE_PREFILL, epoch: 4n });
    journal.setRole({ role: ROLE_PREFILL, epoch: 4n });
    const all = await reading.all();
    expect(all.map(told)).toEqual(['+1 -', 'cleared', '+10 -', '+11 -10', 'cleared', 'cleared', '+2 -']);
    expect(all.map(({ epoch }) => epoch)).toEqual([1n, 2n, 2n, 2n, 3n, 4n, 4n]);
  });

  test('a reader too many is refused; one that leaves makes room', async () => {
    const journal = prefillJournal({ readersMax: 1 });
    const reading = new Reading(journal);
    await reading.all();
    await expect(new Reading(journal).all()).rejects.toMatchObject({ code: 'overloaded', details: { readersMax: 1 } });
    await reading.end();
    expect(await new Reading(journal).all()).toHaveLength(2);
  });

  test('its end is the end of every stream', async () => {
    const journal = prefillJournal();
    const reading = new Reading(journal);
    expect((await reading.all()).map(told)).toEqual(['resync first', '=']);
    expect(reading.isOver).toBe(false);
    journal.close();
    expect([await reading.all(), reading.isOver]).toEqual([[], true]);
  });

  test('reasons have their own numbers on the wire', () => {
    const reasons = [RESYNC_REASON_FIRST, RESYNC_REASON_RESTARTED, RESYNC_REASON_EXPIRED, RESYNC_REASON_SLOW];
    expect(reasons).toEqual([1, 2, 3, 4]);
  });
});
