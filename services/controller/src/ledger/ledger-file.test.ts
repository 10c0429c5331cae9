import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { disaggregated } from '@tercet/allocation';
import { emptyLedger, type Ledger } from '@tercet/controller-core';
import { LedgerFile } from './ledger-file.js';

const move = { podId: 'a', from: 'decode', to: 'encode', begunMs: 5.5 } as const;
const counts = { before: disaggregated(1, 2, 3), target: disaggregated(2, 2, 2) };
const told = { expected: { current: 0.5, target: 0.9 }, baseline: { realised: 0.4, simulated: 0.6 } };
const replacement = { phase: 'replacing', standInId: 'c' } as const;
const ledger: Ledger = {
  assignments: [{ podId: 'a', role: 'decode', epoch: 2n ** 63n }],
  moves: [
    { ...move, fromEpoch: 7n, reason: 'better', decision: 2 },
    { ...move, podId: 'b', fromEpoch: 1n, reason: 'asked', decision: 0, replacement },
  ],
  past: [{ from: 'decode', to: 'encode', begunMs: 5.5 }],
  decisions: [
    { id: 1, begunMs: 1, ...counts, ...told, doneMs: 3, verdict: { kind: 'kept', realised: 0.8, counterfactual: 0.5 } },
    { id: 2, begunMs: 5, ...counts, ...told },
  ],
  sleep: { state: 'waking', sinceMs: 9, idleSinceMs: 2, wasEmpty: true },
  pausesMs: [7],
  wakesMs: [1.5, 2],
};

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-ledger-'));
  path = join(folder, 'ledger.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the ledger on disk', () => {
  test('comes back as it was saved', async () => {
    const file = new LedgerFile(path);
    expect(await file.load()).toBeUndefined();
    await file.save({ ...ledger, moves: [] });
    await file.save(ledger);
    expect(await new LedgerFile(path).load()).toEqual(ledger);
    expect(readdirSync(folder)).toEqual(['ledger.json']);
  });

  test('one of the version that knew no sleep is read', async () => {
    const file = new LedgerFile(path);
    writeFileSync(path, '{"version":1,"assignments":[],"moves":[],"past":[],"decisions":[]}');
    expect(await file.load()).toEqual(emptyLedger);
  });

  test('a save that a crash cut short leaves the one before', async () => {
    const file = new LedgerFile(path);
    await file.save(ledger);
    writeFileSync(`${path}.next`, '{"version":1,"assignm');
    expect(await file.load()).toEqual(ledger);
    await file.save({ ...ledger, moves: [] });
    expect((await file.load())?.moves).toEqual([]);
  });

  test('one that cannot be written is told, and leaves the one before', async () => {
    await expect(new LedgerFile(join(folder, 'none', 'l.json')).save(ledger)).rejects.toMatchObject({
      code: 'store_unavailable',
      details: { file: join(folder, 'none', 'l.json') },
    });
  });

  const saved = async () => {
    await new LedgerFile(path).save(ledger);
    return readFileSync(path, 'utf8');
  };
  test.each([
    { what: 'cut short', change: (text: string) => text.slice(0, 60), problem: /JSON/ },
    {
      what: 'of another version',
      change: (text: string) => text.replace('"version":1', '"version":2'),
      problem: /version/,
    },
    {
      what: 'with a role that is none',
      change: (text: string) => text.replace('"decode"', '"decoder"'),
      problem: /role/,
    },
    {
      what: 'with an epoch that is no number',
      change: (text: string) => text.replace('"7"', '"-7"'),
      problem: /fromEpoch/,
    },
    { what: 'with a field too many', change: (text: string) => text.replace('{', '{"more":1,'), problem: /more/ },
    { what: 'that is empty', change: () => '', problem: /JSON/ },
  ])('one $what is refused with its name', async ({ change, problem }) => {
    writeFileSync(path, change(await saved()));
    const details = { file: path, problem: expect.stringMatching(problem) };
    await expect(new LedgerFile(path).load()).rejects.toMatchObject({ code: 'ledger_invalid', details });
  });
});
