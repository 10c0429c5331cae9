import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environment } from '@tercet/testing';
import { RunningSystem } from './running-system.js';

const run = promisify(execFile);
const command = fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));
/** A red diamond, a purple circle with stripes and a grey ring. */
const picture = fileURLToPath(new URL('../../../docs/examples/picture.png', import.meta.url));

describe('the command asks a running system', () => {
  let system: RunningSystem;
  beforeAll(async () => {
    system = await RunningSystem.start();
  }, 90_000);
  afterAll(() => system?.[Symbol.asyncDispose](), 60_000);

  const tercet = (...args: string[]) =>
    run(process.execPath, [command, ...args], { env: { ...environment, NO_COLOR: '1' }, timeout: 30_000 });

  test.each([
    ['What colour is the diamond?', 'Red.\n'],
    ['What shape is the purple object?', 'Circle.\n'],
    ['How many objects are there?', '3.\n'],
  ])('%s %j', async (question, answer) => {
    const { stdout } = await tercet('chat', '--url', system.url, '--image', picture, question);
    expect(stdout).toBe(answer);
  });

  test('and shows what runs', async () => {
    const { stdout } = await tercet('top', '--url', system.url, '--once');
    for (const pod of ['encode-0', 'prefill-0', 'decode-0']) expect(stdout).toContain(pod);
  });
});
