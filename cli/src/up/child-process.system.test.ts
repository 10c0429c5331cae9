import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { SupervisedProcess } from './child-process.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-child-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rules = { delayMs: 10, delayMsMax: 40, wellAfterMs: 60_000, earlyCrashesMax: 4 };

describe('SupervisedProcess', () => {
  test('starts a process again after growing delays, and gives it up when it always ends early', async () => {
    const child = start('process.exit(3)', rules);
    expect(await child.gaveUp).toBe('exit code 3');
    expect(child.delays).toEqual([10, 20, 40, 40]);
    expect(child.process.restarts).toBe(4);
    await child.process.stop(1000);
  });

  test('a process that was well for a while starts at the first delay, and is never given up', async () => {
    const child = start('process.exit(3)', { ...rules, wellAfterMs: 0 });
    await child.crashes(7);
    expect(child.delays.slice(0, 7)).toEqual(Array<number>(7).fill(10));
    await child.process.stop(1000);
  });

  test('the next life of a stage has another generation', async () => {
    const child = start('console.error(process.env.TERCET__STAGE__GENERATION); process.exit(3)', rules);
    await child.gaveUp;
    expect(child.lines).toEqual(['0', '1', '2', '3', '4']);
  });

  test('one that is told to stop is not started again, also while it waits for its next start', async () => {
    const waiting = start('process.exit(3)', { ...rules, delayMs: 60_000, delayMsMax: 60_000 });
    await waiting.crashes(1);
    await waiting.process.stop(1000);
    expect(waiting.process.restarts).toBe(0);
  });

  test('one that does not stop in time is killed', async () => {
    const deaf = start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.error('up')", rules);
    await deaf.said('up');
    const { pid } = deaf.process;
    await deaf.process.stop(50);
    expect(() => process.kill(pid as number, 0)).toThrow('ESRCH');
  });
});

let scripts = 0;

function start(program: string, restartRules: typeof rules) {
  const entry = join(folder, `${++scripts}.mjs`);
  writeFileSync(entry, program);
  const delays: number[] = [];
  const lines: string[] = [];
  const gaveUp = Promise.withResolvers<string>();
  const events = {
    onReady: () => undefined,
    onEnd: () => undefined,
    onLine: (_name: string, line: string) => void lines.push(line),
    onCrash: (_name: string, _reason: string, delayMs: number) => void delays.push(delayMs),
    onGaveUp: (_name: string, reason: string) => gaveUp.resolve(reason),
  };
  const plan = { name: 'stage-0', entry: 'stage', environment: {} } as const;
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return {
    process: new SupervisedProcess(plan, entry, { events, rules: restartRules }),
    gaveUp: gaveUp.promise,
    delays,
    lines,
    crashes: (count: number) => until(() => delays.length >= count),
    said: (line: string) => until(() => lines.includes(line)),
  };
}
