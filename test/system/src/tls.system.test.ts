import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { CertificateFiles } from '@tercet/certificates';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { CertificateAuthority, freePort, type IssuedFiles, needs } from '@tercet/testing';
import { LoneStage, tinyModel } from './lone-stage.js';
import { squarePicture } from './pictures.js';

import { ServiceProcess } from './service-process.js';

jest.setTimeout(90_000);

const openssl = needs('openssl');
const roles = ['encode', 'prefill', 'decode'] as const;

if (openssl !== undefined) {
  let folder: string;
  let authority: CertificateAuthority;
  const stages = new Map<string, { stage: LoneStage; endpoint: string }>();
  let gateway: ServiceProcess;
  let url: string;
  const kept = new AsyncDisposableStack();

  const startStage = async (role: (typeof roles)[number]) => {
    const podId = `${role}-0`;
    const [grpcPort, tensorPort] = [await freePort(), await freePort()];
    const endpoint = `127.0.0.1:${grpcPort}`;
    const names = { callers: ['gateway', 'controller'], controllers: ['controller'], namesPods: true };
    const config = {
      GRPC_ENDPOINT: endpoint,
      TENSORS: { kind: 'tcp', host: '127.0.0.1', port: tensorPort },
      TLS: { ...authority.issue(podId, [`${podId}.pods`, '127.0.0.1']), ...names },
      THREADS: 1,
    };
    const stage = kept.use(await LoneStage.start({ podId, folder, role, config }));
    stages.set(role, { stage, endpoint });
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tercet-tls-system-'));
    authority = new CertificateAuthority(openssl, folder);
    for (const role of roles) await startStage(role);
    const port = await freePort();
    gateway = kept.use(
      await ServiceProcess.start('gateway', {
        HTTP: { port },
        GRPC_ENDPOINT: `127.0.0.1:${await freePort()}`,
        WORKERS: [...stages.values()].map(({ endpoint }) => endpoint),
        MODELS: [tinyModel],
        TLS: authority.issue('gateway', ['gateway']),
      }),
    );
    url = `http://127.0.0.1:${port}`;
  }, 90_000);
  afterAll(async () => {
    await kept[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Answer or code of a call to worker control of a stage, by whoever has this certificate. */
  const asPeer = async (role: string, files: IssuedFiles | undefined, call: 'getStatus' | 'setRole') => {
    using certificates = files && new CertificateFiles(files, { refreshMs: 1_000_000 });
    using channel = GrpcChannel.open(stages.get(role)?.endpoint ?? '', certificates && { certificates });
    const worker = channel.client(wire.WorkerDefinition);
    const asked = { role: wire.Role.ROLE_DECODE, expectedEpoch: 1n, drainTimeoutMs: 1000 };
    const answer = call === 'getStatus' ? worker.getStatus({}) : worker.setRole(asked);
    return await answer.then(
      ({ podId }) => podId,
      (error: { code: string }) => error.code,
    );
  };

  describe('a system whose processes talk over TLS', () => {
    test('answers about a picture, tensors and all', async () => {
      const content = [
        { type: 'image_url', image_url: { url: squarePicture([200, 30, 30]) } },
        { type: 'text', text: 'What colour is it?' },
      ];
      const body = { model: 'tercet-tiny', max_tokens: 8, temperature: 0, messages: [{ role: 'user', content }] };
      const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
      const answer = (await response.json()) as { tercet?: { pods: object } };
      expect({ status: response.status, pods: answer.tercet?.pods, said: gateway.said.slice(-3) }).toMatchObject({
        status: 200,
        pods: { encode: ['encode-0'], prefill: 'prefill-0', decode: 'decode-0' },
      });
    });

    test.each([
      { who: 'the gateway', names: ['gateway'], call: 'getStatus' as const, answer: 'prefill-0' },
      { who: 'another stage', names: ['decode-0.pods'], call: 'getStatus' as const, answer: 'peer_refused' },
      { who: 'nobody', names: undefined, call: 'getStatus' as const, answer: 'pod_unreachable' },
      { who: 'the gateway', names: ['gateway'], call: 'setRole' as const, answer: 'peer_refused' },
    ])('$who calls $call: $answer', async ({ names, call, answer }) => {
      const files = names === undefined ? undefined : authority.issue('caller', names);
      expect(await asPeer('prefill', files, call)).toBe(answer);
    });

    test('a controller changes a role, and the log says who it was', async () => {
      expect(await asPeer('encode', authority.issue('caller', ['controller']), 'setRole')).toBe('encode-0');
      const audited = (stages.get('encode')?.stage.said ?? [])
        .filter((line) => line.includes('"audit.'))
        .map((line) => JSON.parse(line) as object);
      expect(audited).toMatchObject([
        { event: 'audit.role_asked', actor: 'controller', from: 'ROLE_ENCODE', to: 'ROLE_DECODE', podId: 'encode-0' },
      ]);
    });

    test('no private key stands in a log', () => {
      const logs = [gateway, ...[...stages.values()].map(({ stage }) => stage)].flatMap(({ said }) => said).join('\n');
      const key = readFileSync(join(folder, 'gateway.key'), 'utf8').split('\n')[1] ?? '';
      expect(key.length).toBeGreaterThan(20);
      expect(logs).not.toContain(key);
    });
  });
}
