import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, toTercetError } from '@tercet/contracts';

/** Says which stage processes there are. */
export interface Discovery {
  /** Their gRPC endpoints now. @throws pod_unreachable when nobody can say */
  endpoints(): Promise<readonly string[]>;
}

/** Between two questions which there are. */
const discoverMs = 1000;

/**
 * Tells which endpoints there are, again and again, until the signal. While nobody can say, those of before hold, and
 * `onLost` is told once.
 */
export async function followEndpoints(
  discovery: Discovery,
  to: { readonly onFound: (endpoints: readonly string[]) => void; readonly onLost: (error: TercetError) => void },
  signal: AbortSignal,
): Promise<void> {
  let isKnown = true;
  while (!signal.aborted) {
    try {
      to.onFound(await discovery.endpoints());
      isKnown = true;
    } catch (error) {
      if (isKnown) to.onLost(toTercetError(error));
      isKnown = false;
    }
    await sleep(discoverMs, undefined, { signal }).catch(() => undefined);
  }
}

export type ResolveName = (name: string) => Promise<readonly { address: string; family: number }[]>;

const resolveName: ResolveName = (name) => lookup(name, { all: true });

/**
 * Discovery by configured endpoints. `unix:/path` and an address with its port are themselves. A name with a port is
 * every address that the name has when it is asked, so the headless Service of a pool is all of its pods, and the
 * gateway needs no right in the cluster. A name that nobody has is a pool without pods.
 */
export function discoveryOf(workers: readonly string[], resolve: ResolveName = resolveName): Discovery {
  return { endpoints: async () => (await Promise.all(workers.map((worker) => endpointsOf(worker, resolve)))).flat() };
}

async function endpointsOf(worker: string, resolve: ResolveName): Promise<readonly string[]> {
  const colon = worker.lastIndexOf(':');
  const [name, port] = [worker.slice(0, colon), worker.slice(colon + 1)];
  if (worker.startsWith('unix:') || worker.startsWith('[') || isIP(name) !== 0) return [worker];
  return (await addressesOf(name, resolve)).map((address) => `${address}:${port}`);
}

/** Of one family, so that a pod with an address of each is one pod. */
async function addressesOf(name: string, resolve: ResolveName): Promise<readonly string[]> {
  try {
    const found = await resolve(name);
    const four = found.filter(({ family }) => family === 4).map(({ address }) => address);
    return four.length > 0 ? four : found.map(({ address }) => `[${address}]`);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw new TercetError('pod_unreachable', { name }, { cause });
  }
}
