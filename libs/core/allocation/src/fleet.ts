import type { StageCosts } from '@tercet/cost-model';
import type { GroupLimits } from './decode-group.js';

/**
 * How many GPU groups serve each stage. `serve` groups do prefill and decode in one step loop. Without encode groups,
 * whoever prefills also encodes.
 */
export interface Split {
  readonly encode: number;
  readonly prefill: number;
  readonly decode: number;
  readonly serve: number;
}

export function disaggregated(encode: number, prefill: number, decode: number): Split {
  return { encode, prefill, decode, serve: 0 };
}

export function colocated(encode: number, serve: number): Split {
  return { encode, prefill: 0, decode: 0, serve };
}

export function groupsOf({ encode, prefill, decode, serve }: Split): number {
  return encode + prefill + decode + serve;
}

/** `2E 3P 3D`, `1E 7PD`, `4EP 4D`, `8EPD`. */
export function nameOf({ encode, prefill, decode, serve }: Split): string {
  const local = encode === 0 ? 'E' : '';
  const parts = [
    encode > 0 ? `${encode}E` : '',
    prefill > 0 ? `${prefill}${local}P` : '',
    decode > 0 ? `${decode}D` : '',
    serve > 0 ? `${serve}${local}PD` : '',
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** What every group of a fleet is and may do. */
export interface FleetShape extends GroupLimits {
  readonly costs: StageCosts;
  /** Prompt tokens that a prefill group takes into one batch; a longer prompt is a batch of its own. */
  readonly batchTokensMax: number;
  /** Prompt tokens that a serve group adds to one step. */
  readonly chunkTokens: number;
}

/** Latency that requests should meet, and the share of them that must. */
export interface Slo {
  readonly ttftMs: number;
  readonly tpotMs: number;
  /** From 0 to 1. */
  readonly attainment: number;
}

/** Every split of so many groups: all three-way ones, and with `variants` also local encode and co-location. */
export function* splitsOf(groups: number, { variants = true }: { variants?: boolean } = {}): Generator<Split> {
  for (let encode = variants ? 0 : 1; encode <= groups - 2; encode++) {
    for (let prefill = 1; prefill <= groups - encode - 1; prefill++) {
      yield disaggregated(encode, prefill, groups - encode - prefill);
    }
  }
  if (!variants) return;
  for (let encode = 0; encode < groups; encode++) yield colocated(encode, groups - encode);
}
