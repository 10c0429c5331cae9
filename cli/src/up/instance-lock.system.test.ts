import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const lock = join(import.meta.dirname, '../../dist/up/instance-lock.js');
/** Takes the lock of one folder after the other, each at an agreed millisecond, and keeps what it gets. */
const program = `
  const [, module, folder, rounds, startMs] = process.argv;
  const { lockInstance } = await import(module);
  const said = [];
  for (let round = 0; round < rounds; round++) {
    while (Date.now() < Number(startMs) + 10 * round);
    try {
      await lockInstance(folder + '/' + round);
      said.push('holds');
    } catch (error) {
      said.push(error.code);
    }
  }
  process.stdout.write(JSON.stringify(said));
  process.stdin.resume();
`;
const contenders = 4;
const rounds = 150;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('of several systems that start in one folder at the same instant exactly one runs', () => {
  const gone = 2 ** 22 - 1;
  test.each([
    { what: 'in a new folder', left: undefined },
    { what: 'where one that died left its file', left: `${gone}\n` },
    { what: 'where a file was left empty', left: '' },
  ])(
    '$what',
    async ({ left }) => {
      const folders = Array.from({ length: rounds }, (_, round) => join(folder, String(round)));
      for (const each of left === undefined ? [] : folders) {
        mkdirSync(each);
        writeFileSync(join(each, 'supervisor.pid'), left ?? '');
      }
      const startMs = Date.now() + 2000;
      const said = await Promise.all(Array.from({ length: contenders }, () => contend(startMs)));
      const expected = [...Array(contenders - 1).fill('already_running'), 'holds'];
      for (const [round, each] of folders.entries()) {
        expect(said.map((words) => words[round]).toSorted()).toEqual(expected);
        expect(readdirSync(each)).toEqual(['supervisor.pid']);
      }
    },
    60_000,
  );
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** What another process got of each folder; it lives on until the test is over. */
async function contend(startMs: number): Promise<string[]> {
  const args = ['--input-type=module', '--eval', program, lock, folder, String(rounds), String(startMs)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return JSON.parse(await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data)))));
}
