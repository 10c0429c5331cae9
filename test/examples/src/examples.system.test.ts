import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcServer, service } from '@tercet/grpc';
import { environment, needs } from '@tercet/testing';

// The clients of docs/examples against a gateway that speaks the wire format and answers by script.
const root = join(import.meta.dirname, '../../..');
const examples = join(root, 'docs/examples');
const picture = Buffer.from('\x89PNG not really', 'latin1');
const run = promisify(execFile);

let server: GrpcServer;
let folder: string;
const asked: wire.ChatRequest[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-examples-'));
  writeFileSync(join(folder, 'a.png'), picture);
  const gateway = service(wire.GatewayDefinition, {
    listModels: async () => wire.ListModelsResponse.fromPartial({ models: [{ name: 'tiny' }, { name: 'other' }] }),
    embed: async () => {
      throw new TercetError('feature_unsupported');
    },
    chat: answer,
  });
  server = await GrpcServer.open('127.0.0.1:0', [gateway]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function* answer(request: wire.ChatRequest): AsyncGenerator<wire.ChatEvent> {
  asked.push(request);
  const event = (value: wire.ChatEvent['event']) => wire.ChatEvent.fromPartial({ event: value });
  yield event({ $case: 'accepted', value: wire.ChatAccepted.fromPartial({ requestId: 'r', model: request.model }) });
  yield event({ $case: 'delta', value: { text: 'Ein roter ', tokens: [] } });
  if (request.messages[0]?.parts.some(({ part }) => part?.value === 'fail')) throw new TercetError('media_invalid');
  yield event({ $case: 'delta', value: { text: 'Kreis: ●', tokens: [] } });
  const [usage, ttft] = [{ completionTokens: 5 }, { ttftMs: 12.345 }];
  yield event({ $case: 'finished', value: wire.ChatFinished.fromPartial({ usage, ttft }) });
}

/** Runs a client with its arguments; never rejects. */
async function ask(command: readonly string[], cwd: string, args: readonly string[]) {
  const [file = '', ...first] = command;
  const env = { ...environment, TERCET_GRPC: server.endpoint, NODE_NO_WARNINGS: '1' };
  const result = run(file, [...first, ...args], { cwd, env });
  return result.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout: stdout as string, stderr: stderr as string }),
  );
}

function behavesLikeAClient(command: readonly string[], cwd = examples): void {
  test('streams the answer about a picture to standard output, and its times beside it', async () => {
    const result = await ask(command, cwd, ['Was ist das?', join(folder, 'a.png')]);
    expect(result).toMatchObject({ code: 0, stdout: 'Ein roter Kreis: ●\n' });
    expect(result.stderr).toContain('first token after 12.3 ms; 5 tokens');
    const parts = [
      { part: { $case: 'image', value: expect.anything() } },
      { part: { $case: 'text', value: 'Was ist das?' } },
    ];
    expect(asked.at(-1)).toMatchObject({ model: 'tiny', messages: [{ role: 'user', parts }] });
    const image = asked.at(-1)?.messages[0]?.parts[0]?.part?.value as Uint8Array;
    expect(Buffer.from(image).equals(picture)).toBe(true);
  });

  test('ends with the code of a failure', async () => {
    const result = await ask(command, cwd, ['fail']);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('media_invalid');
  });

  test('says how it is used', async () => {
    const result = await ask(command, cwd, []);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('usage');
  });
}

describe('the TypeScript client', () => {
  behavesLikeAClient([process.execPath, 'typescript/chat.ts']);
});

describe('the Python client', () => {
  const python = pythonWithGrpc();
  if (python !== undefined) behavesLikeAClient([python, 'python/chat.py']);
});

describe('the Go client', () => {
  const go = goWithModules();
  if (go === undefined) return;
  const source = join(examples, 'go');
  const binary = join(mkdtempSync(join(tmpdir(), 'tercet-go-')), 'chat');
  beforeAll(async () => {
    const path = `${join(root, 'node_modules/.bin')}:${environment.PATH}`;
    const env = { ...environment, PATH: path };
    await run(go, ['generate', '.'], { cwd: source, env });
    await run(go, ['build', '-o', binary, '.'], { cwd: source, env });
  }, 600_000);
  afterAll(() => rmSync(join(binary, '..'), { recursive: true, force: true }));
  behavesLikeAClient([binary]);
});

/** Python with the packages of python/requirements.txt: TERCET_PYTHON, or the one on the path. */
function pythonWithGrpc(): string | undefined {
  const python = environment.TERCET_PYTHON ?? needs('python');
  if (python === undefined) return undefined;
  const has = succeeds(python, ['-c', 'import grpc, grpc_tools'], examples);
  return has ? python : missing('grpcio', 'needs the packages of docs/examples/python/requirements.txt');
}

function goWithModules(): string | undefined {
  const go = needs('go');
  if (go === undefined) return undefined;
  const has = succeeds(go, ['mod', 'download'], join(examples, 'go'));
  return has ? go : missing('go', 'needs the Go version and modules of docs/examples/go/go.mod');
}

function succeeds(file: string, args: readonly string[], cwd: string): boolean {
  try {
    execFileSync(file, args, { cwd, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A skipped test that says why, or a failing one where the run requires the peer. */
function missing(peer: string, reason: string): undefined {
  const required = (environment.TERCET_REQUIRE ?? '').split(',').includes(peer);
  (required ? test : test.skip)(reason, () => {
    throw new Error(`${reason}; TERCET_REQUIRE names ${peer}`);
  });
}
