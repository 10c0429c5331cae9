import { BlockList, isIP } from 'node:net';
import { TercetError } from '@tercet/contracts';

/**
 * Addresses of version 4 that lead to this machine, this network, or nowhere in particular.
 * @see IANA IPv4 Special-Purpose Address Registry (RFC 6890); RFC 6598 for the shared space of carriers
 */
const notPublicV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** Of version 6 only global unicast is public: mapped, translated, unique-local and link-local ones lie outside. */
const publicV6 = ['2000::/3'];

/** Parts of global unicast that carry an address of version 4 inside, or are for documents and tests. */
const notPublicV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/** Says which addresses media may be read from. */
export class AddressRules {
  readonly #allowsAll: boolean;
  readonly #allowed: BlockList;
  readonly #notPublic = subnetsOf([...notPublicV4, ...notPublicV6]);
  readonly #publicV6 = subnetsOf(publicV6);

  /**
   * @param allowPrivate true: any address; a list: public ones and these subnets, as `10.1.0.0/16` or `fd00::/8`
   * @throws config_invalid for a subnet that cannot be read
   */
  constructor(allowPrivate: boolean | readonly string[]) {
    this.#allowsAll = allowPrivate === true;
    this.#allowed = subnetsOf(typeof allowPrivate === 'boolean' ? [] : allowPrivate);
  }

  isAllowed(address: string): boolean {
    if (this.#allowsAll) return true;
    const version = isIP(address);
    if (version === 0) return false;
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (this.#allowed.check(address, family)) return true;
    if (this.#notPublic.check(address, family)) return false;
    return version === 4 || this.#publicV6.check(address, family);
  }
}

function subnetsOf(texts: readonly string[]): BlockList {
  const subnets = new BlockList();
  for (const text of texts) {
    const [address = '', length] = text.split('/');
    const version = isIP(address);
    const bits = length === undefined ? (version === 4 ? 32 : 128) : Number(length);
    try {
      subnets.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6');
    } catch (error) {
      throw new TercetError('config_invalid', { subnet: text }, { cause: error });
    }
  }
  return subnets;
}
