import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { disaggregated, grown, type ProposeInput, propose, publishedShape, traceOf } from '@tercet/allocation';
import { wire } from '@tercet/contracts';
import { GrpcChannel, GrpcServer } from '@tercet/grpc';
import { systemClock } from '@tercet/telemetry';
import { DemandBook } from '../demand-book.js';
import { controllerService } from '../rpc.js';
import { SimulationThread } from './simulation-thread.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-simulation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a proposal that takes long is the same as here, and calls are answered meanwhile', async () => {
  const status = wire.PoolStatus.create({ model: 'm' });
  const demand = new DemandBook(systemClock);
  const service = controllerService({ pools: () => [status], move: async () => status, demand });
  const endpoint = `unix:${join(folder, 'controller.sock')}`;
  const server = await GrpcServer.open(endpoint, [service]);
  const channel = GrpcChannel.open(endpoint);
  await using simulation = new SimulationThread((error) => {
    throw error;
  });
  const client = channel.client(wire.ControllerDefinition);
  await client.getPool({});
  const input = largeInput();
  const startMs = performance.now();
  const here = propose(input);
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeGreaterThan(20);
  let isOver = false;
  const proposed = simulation.propose(input).finally(() => {
    isOver = true;
  });
  let answers = 0;
  for (; !isOver; answers++) await client.getPool({});
  expect(await proposed).toEqual(here);
  expect(answers).toBeGreaterThanOrEqual(5);
  channel.close();
  await server.close(AbortSignal.timeout(500));
});

test('a share is the same as here, also when a proposal is asked for at the same time', async () => {
  await using simulation = new SimulationThread((error) => {
    throw error;
  });
  const input = largeInput();
  const { work, current } = input;
  const [proposal, share] = await Promise.all([simulation.propose(input), simulation.attainment(work, current)]);
  expect(proposal.expected.current).toBeGreaterThanOrEqual(0);
  expect(share).toBeGreaterThanOrEqual(0);
  expect(share).toBeLessThanOrEqual(1);
});

/** Sixteen groups, and requests with images that want more of encode. */
function largeInput(): ProposeInput {
  const requests = Array.from({ length: 600 }, (_, i) => {
    return { arrivalMs: 25 * i, images: 8, patches: 8 * 576, promptTokens: 400, cachedTokens: 0, outputTokens: 40 };
  });
  const most = { encode: 16, prefill: 16, decode: 16 };
  const least = { encode: 1, prefill: 1, decode: 1 };
  return {
    current: disaggregated(2, 4, 10),
    work: {
      trace: grown(traceOf(requests), 5),
      shape: publishedShape(),
      slo: { ttftMs: 1000, tpotMs: 40, attainment: 0.9 },
    },
    factor: 1 / 5,
    horizonMs: 60_000,
    switchMs: { encode: 1000, prefill: 1500, decode: 5000 },
    limits: { least, most, unavailableMax: 2, dwellMs: 20_000, gainMin: 0.02, urgentGain: 0.05 },
    pending: undefined,
    moving: [],
    recent: [],
  };
}
