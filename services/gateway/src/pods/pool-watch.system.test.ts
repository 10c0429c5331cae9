import { afterEach, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcServer, service } from '@tercet/grpc';
import { PoolWatch } from './pool-watch.js';

/** A controller that says what it is told to say, and remembers what it was told. */
class SayingController implements AsyncDisposable {
  pools: wire.PoolStatus[] = [];
  readonly heard: wire.ReportDemandRequest[] = [];
  server: GrpcServer | undefined;

  static async open(): Promise<SayingController> {
    const controller = new SayingController();
    const refuse = async () => {
      throw new TercetError('feature_unsupported');
    };
    const answers = service(wire.ControllerDefinition, {
      getPool: refuse,
      movePod: refuse,
      reportDemand: async (request) => {
        controller.heard.push(request);
        return { pools: controller.pools };
      },
    });
    controller.server = await GrpcServer.open('127.0.0.1:0', [answers]);
    return controller;
  }

  get endpoint(): string {
    return this.server?.endpoint ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server?.[Symbol.asyncDispose]();
  }
}

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

async function controllers(count: number): Promise<SayingController[]> {
  const made = await Promise.all(Array.from({ length: count }, () => SayingController.open()));
  open.push(...made);
  return made;
}

function watch(endpoints: () => readonly string[], pollMs = 20): PoolWatch {
  const pools = new PoolWatch({
    ...{ gatewayId: 'g', discovery: { endpoints: async () => endpoints() }, pollMs },
    demand: () => [{ model: 'm', running: 1, held: 2, idleMs: 0 }],
    log: { info: () => undefined, error: () => undefined },
  });
  open.push({ [Symbol.asyncDispose]: async () => pools[Symbol.dispose]() });
  return pools;
}

const statusOf = (more: Partial<wire.PoolStatus> = {}) =>
  wire.PoolStatus.fromPartial({ name: 'tiny', model: 'm', ...more });
const asleep = { state: 'asleep', sinceUnixMs: 1n, wakeMs: 5 };

async function until(isTrue: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  while (!isTrue()) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('every controller is told what there is to do, and the one that leads tells how the pools stand', async () => {
  const [leader, standby] = (await controllers(2)) as [SayingController, SayingController];
  leader.pools = [statusOf({ sleep: asleep })];
  const pools = watch(() => [leader.endpoint, standby.endpoint]);
  await until(() => pools.pools.length === 1 && standby.heard.length > 0);
  expect(standby.heard[0]).toEqual({ gatewayId: 'g', demand: [{ model: 'm', running: 1, held: 2, idleMs: 0 }] });
  expect(pools.sleepOf('m')).toEqual(asleep);
  expect(pools.sleepOf('another')).toBeUndefined();
  leader.pools = [statusOf({ sleep: { ...asleep, state: 'awake' } })];
  await until(() => pools.sleepOf('m') === undefined);
});

test('when another controller leads, its word counts; until then what the last one said, as not current', async () => {
  const [first, second] = (await controllers(2)) as [SayingController, SayingController];
  first.pools = [statusOf({ distrustedPodIds: ['liar'] })];
  let there = [first, second];
  const pools = watch(() => there.map(({ endpoint }) => endpoint));
  await until(() => pools.isDistrusted('liar'));
  there = [second];
  await until(() => pools.pools[0]?.isCurrent === false);
  expect(pools.isDistrusted('liar')).toBe(false);
  second.pools = [statusOf()];
  await until(() => pools.pools[0]?.isCurrent === true);
  expect(pools.pools).toHaveLength(1);
  second.pools = [];
  await until(() => pools.pools.length === 0);
});

test('a request that finds no pod is told of at once', async () => {
  const [leader] = (await controllers(1)) as [SayingController];
  const pools = watch(() => [leader.endpoint], 60_000);
  await until(() => leader.heard.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  pools.reportSoon();
  await until(() => leader.heard.length === 2);
});

test('nobody to ask is no pool', async () => {
  const pools = watch(() => []);
  expect([pools.pools, pools.sleepOf('m')]).toEqual([[], undefined]);
});
