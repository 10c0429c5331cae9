import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { certificateSecrets } from './certificates.js';
import { ports } from './manifests.js';
import { countsOf, eventually, Namespace } from './namespace.js';
import { pictureQuestion } from './picture.js';
import { Release } from './release.js';

let space: Namespace;

beforeAll(async () => {
  space = await Namespace.open('chart-tls');
  const components = ['gateway', 'stage', 'controller'];
  const nameOf = (component: string) => `tercet-${component}.chart-tls.svc`;
  space.apply(certificateSecrets(Object.fromEntries(components.map((each) => [`${each}-tls`, nameOf(each)]))));
  const secrets = components.map((each) => `tls.secrets.${each}=${each}-tls`);
  await new Release('chart-tls').install('--set', ['tls.enabled=true', ...secrets].join(','));
});
afterAll(() => space[Symbol.asyncDispose]());

test('with certificates the controller gives roles, and a question about a picture is answered', async () => {
  expect(countsOf(await space.roles('tercet-tiny'))).toEqual({ encode: 1, prefill: 1, decode: 1 });
  const { body, answer } = pictureQuestion();
  const response = await space.chatAt(await space.serviceAddress('tercet-gateway'), body);
  expect(await response.text()).toMatch(answer);
});

test('with certificates the controller tells the gateway how the pool stands, and nobody without one', async () => {
  const address = await space.serviceAddress('tercet-gateway');
  await eventually(
    () => space.shownPoolsAt(address),
    ([shown]) => shown?.name === 'tercet-tiny' && shown.pods.length === 3,
  );
  const [controller] = await space.pods('app.kubernetes.io/component=controller');
  const channel = GrpcChannel.open(`${controller?.status?.podIP}:8082`);
  try {
    const told = channel.client(wire.ControllerDefinition).getPool({}, { signal: AbortSignal.timeout(3000) });
    await expect(told).rejects.toMatchObject({ code: 'pod_unreachable' });
  } finally {
    channel.close();
  }
});

test('who has no certificate gets no answer of a stage pod', async () => {
  const [pod] = await space.pods('app.kubernetes.io/component=stage');
  const channel = GrpcChannel.open(`${pod?.status?.podIP}:${ports.grpc}`);
  try {
    const status = channel.client(wire.WorkerDefinition).getStatus({}, { signal: AbortSignal.timeout(3000) });
    await expect(status).rejects.toMatchObject({ code: 'pod_unreachable' });
  } finally {
    channel.close();
  }
});
