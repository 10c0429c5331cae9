import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environment, needsPythonModules } from '@tercet/testing';
import { png, squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const run = promisify(execFile);
const examples = fileURLToPath(new URL('../../../docs/examples/', import.meta.url));
const openAiClient = fileURLToPath(new URL('./testdata/openai_client.py', import.meta.url));
const go = usableGo();
const question = 'What colour is the square?';

describe('the example clients', () => {
  let system: RunningSystem;
  let picture: string;

  beforeAll(async () => {
    system = await RunningSystem.start([]);
    picture = join(mkdtempSync(join(tmpdir(), 'tercet-example-')), 'red.png');
    writeFileSync(
      picture,
      png(64, (x, y) => (x > 16 && x < 44 && y > 18 && y < 46 ? [200, 30, 30] : [240, 238, 230])),
    );
  }, 90_000);
  afterAll(() => system?.[Symbol.asyncDispose](), 60_000);

  const ask = async (program: string, args: string[], cwd: string) => {
    const env = { ...environment, TERCET_GRPC: `127.0.0.1:${system.grpcPort}` };
    return run(program, [...args, question, picture], { cwd, env, timeout: 280_000 });
  };

  test('TypeScript', async () => {
    const { stdout, stderr } = await ask(process.execPath, ['chat.ts'], join(examples, 'typescript'));
    expect(stdout.trim()).toBe('Red.');
    expect(stderr).toMatch(/first token after [\d.]+ ms/);
  }, 60_000);

  const python = needsPythonModules('python-grpc', ['grpc', 'grpc_tools']);
  if (python !== undefined) {
    test('Python', async () => {
      const { stdout } = await ask(python, ['chat.py'], join(examples, 'python'));
      expect(stdout.trim()).toBe('Red.');
    }, 60_000);
  }

  (go ? test : test.skip)(
    'Go, where its modules can be had',
    async () => {
      const folder = join(examples, 'go');
      if (!existsSync(join(folder, 'gen'))) await run('go', ['generate'], { cwd: folder, timeout: 250_000 });
      const { stdout } = await ask('go', ['run', '.'], folder);
      expect(stdout.trim()).toBe('Red.');
    },
    300_000,
  );

  const pythonWithOpenAi = needsPythonModules('python-openai', ['openai']);
  if (pythonWithOpenAi !== undefined) {
    test("OpenAI's client for Python reads every answer", async () => {
      const env = { ...environment, TERCET_URL: system.url, TERCET_PICTURE: squarePicture([200, 30, 30]) };
      const { stdout } = await run(pythonWithOpenAi, [openAiClient], { env, timeout: 120_000 });
      const seen = JSON.parse(stdout);
      expect(seen.text).toBe('Red.');
      expect(seen.streamed).toBe(seen.text);
      expect(seen.streamedTokens).toBe(seen.tokens);
      expect(new Set(seen.logprobs)).toEqual(new Set([2]));
      expect(seen.completions).toHaveLength(2);
      expect(seen.response).toMatch(/^I am tercet-tiny/);
      expect(seen.code).toBe('invalid_request');
    }, 120_000);
  }
});

/** A Go that is new enough for the client's go.mod, with the modules that it names in reach. */
function usableGo(): boolean {
  try {
    const env = { ...environment, GOTOOLCHAIN: 'local' };
    execFileSync('go', ['mod', 'download'], { cwd: join(examples, 'go'), stdio: 'ignore', timeout: 120_000, env });
    return true;
  } catch {
    return false;
  }
}
