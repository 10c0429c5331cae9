import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TercetError } from '@tercet/contracts';
import type { Address } from './http-get.js';

export interface HostResolverOptions {
  /** Longest that a name server may take. */
  readonly timeoutMs: number;
  /** Name servers, as `10.0.0.1:53`; the system's unless given. */
  readonly servers?: readonly string[];
  /** The system's look-up, which knows the hosts file. */
  readonly lookup?: (host: string) => Promise<readonly Address[]>;
}

/** Look-ups of the system hold a thread each; the pool has four, and files and images need them as well. */
const systemLookupsMax = 2;
const waitingMax = 256;

/** What a name server answers for names that only the system may know: of the hosts file, or without a dot. */
const notThere = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED', 'EBADNAME']);

/**
 * Finds the addresses of names that strangers choose. Name servers are asked without holding a thread, so that a slow
 * one stops nobody else; only a name that they do not know goes to the system's look-up, two at a time.
 */
export class HostResolver {
  readonly #resolver: Resolver;
  readonly #lookup: (host: string) => Promise<readonly Address[]>;
  readonly #running = new Map<string, Promise<readonly Address[]>>();
  readonly #waiting: (() => void)[] = [];
  #systemLookups = 0;

  constructor({ timeoutMs, servers, lookup }: HostResolverOptions) {
    this.#resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
    if (servers !== undefined) this.#resolver.setServers([...servers]);
    this.#lookup = lookup ?? lookupAll;
  }

  /** Addresses of a name, version 4 first, or the address itself. Equal questions at one time are asked once. */
  resolve(host: string): Promise<readonly Address[]> {
    const version = isIP(host);
    if (version !== 0) return Promise.resolve([{ address: host, family: version === 6 ? 6 : 4 }]);
    const running = this.#running.get(host);
    if (running !== undefined) return running;
    const asked = this.#ask(host).finally(() => this.#running.delete(host));
    this.#running.set(host, asked);
    return asked;
  }

  async #ask(host: string): Promise<readonly Address[]> {
    const answers = await Promise.allSettled([this.#resolver.resolve4(host), this.#resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer, i): Address[] =>
      answer.status === 'rejected' ? [] : answer.value.map((address) => ({ address, family: i === 0 ? 4 : 6 })),
    );
    if (addresses.length > 0) return addresses;
    const failure = answers.find((answer) => answer.status === 'rejected' && !notThere.has(answer.reason.code));
    if (failure?.status === 'rejected') throw failure.reason;
    return await this.#askSystem(host);
  }

  async #askSystem(host: string): Promise<readonly Address[]> {
    if (this.#systemLookups >= systemLookupsMax) {
      if (this.#waiting.length >= waitingMax) throw new TercetError('overloaded', { lookupsWaiting: waitingMax });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#systemLookups++;
    }
    try {
      return await this.#lookup(host);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#systemLookups--;
      else next();
    }
  }
}

function lookupAll(host: string): Promise<Address[]> {
  return new Promise((resolve, reject) => {
    systemLookup(host, { all: true, order: 'ipv4first' }, (error, found: LookupAddress[]) => {
      if (error !== null) reject(error);
      else resolve(found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })));
    });
  });
}
