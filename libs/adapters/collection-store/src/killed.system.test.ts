import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { environment } from '@tercet/testing';
import { CollectionStore } from './collection-store.js';
import { storeOptions, testSpec } from './testing/store-options.js';

const writer = join(import.meta.dirname, '../dist/testing/killed-writer.js');
/** `TERCET_INDEX_KILLS=200` in the nightly run. */
const kills = Number(environment.TERCET_INDEX_KILLS ?? 20);
const seed = Number(environment.TERCET_INDEX_SEED ?? Date.now() % 1_000_000);

/** What an id may be after a crash: what was acknowledged last, or the write that nobody heard the end of. */
interface Fate {
  known: number;
  underWay: number | undefined;
}

test(`no acknowledged write is lost by ${kills} kills at random moments (seed ${seed})`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-killed-'));
  const random = new Prng(seed);
  const fates = new Map<string, Fate>();
  let [version, acknowledged] = [1, 0];
  try {
    for (let kill = 0; kill < kills; kill++) {
      const said = await writeUntilKilled(folder, { seed: random.nextUint32(), version, random });
      for (const [what, id, number] of said) {
        const fate = fates.get(id) ?? { known: 0, underWay: undefined };
        fates.set(id, what === 'begin' ? { ...fate, underWay: number } : { known: number, underWay: undefined });
        version = Math.max(version, number + 1);
        if (what === 'done') acknowledged++;
      }
      await compare(folder, fates);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  expect(acknowledged).toBeGreaterThan(kills);
}, 600_000);

async function writeUntilKilled(
  folder: string,
  { seed: childSeed, version, random }: { seed: number; version: number; random: Prng },
): Promise<[string, string, number][]> {
  const child = spawn(process.execPath, [writer, folder, String(childSeed), String(version)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
  let out = '';
  const started = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.includes('done')) resolve();
    });
  });
  await Promise.race([started, ended]);
  await sleep(random.nextBelow(150));
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
  // A line without its end says nothing for certain; the write it began may have been made.
  const lines = out.split('\n').filter((line) => /^(begin|done) \S+ \d+$/.test(line));
  return lines.map((line) => {
    const [what = '', id = '', number] = line.split(' ');
    return [what, id, Number(number)];
  });
}

/** The store has every id as it must or may be, and takes what it holds as known from here on. */
async function compare(folder: string, fates: Map<string, Fate>): Promise<void> {
  await using store = CollectionStore.open(storeOptions(folder));
  await store.use({ tenant: 'acme', name: testSpec.name }, async ({ memory }) => {
    for (const [id, fate] of fates) {
      const { payloads, vectors } = memory.get([id]);
      const found = payloads[0] === undefined ? 0 : (JSON.parse(payloads[0]) as { version: number }).version;
      const mayBe = fate.underWay === undefined ? [fate.known] : [fate.known, fate.underWay];
      expect({ id, mayBe, found: mayBe.includes(found) ? 'right' : found }).toEqual({ id, mayBe, found: 'right' });
      if (found !== 0) expect([...vectors]).toEqual([found, found, found, found]);
      fates.set(id, { known: found, underWay: undefined });
    }
    const there = [...fates.values()].filter(({ known }) => known !== 0).length;
    expect(memory.size).toBe(there);
  });
}
