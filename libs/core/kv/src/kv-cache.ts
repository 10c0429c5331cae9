import { assert } from '@tercet/base';
import type { PrefixListener } from './block-digest.js';
import type { PrefixKey } from './prefix-key.js';
import { PrefixTree } from './prefix-tree.js';
import { blocksFor, blockTokens, type SlotId, SlotPool, type SlotPoolOptions } from './slot-pool.js';

export interface KvCacheOptions extends SlotPoolOptions {
  /** A prefix is reused in multiples of this many tokens, itself a multiple of the block; 0 reuses nothing. */
  readonly reuseGrainTokens: number;
  /** Hears which prefixes are stored. */
  readonly onPrefix?: PrefixListener;
}

export interface KvDemand {
  /** Labels of the prompt's full blocks; empty when nothing of it may be reused. */
  readonly key: PrefixKey;
  /** How many of so many stored tokens may be reused, a multiple of the grain. Absent: all of them. */
  readonly reusable?: (storedTokens: number) => number;
  /** At least one of them is always computed. */
  readonly promptTokens: number;
  /** Room to commit, at least the prompt. */
  readonly reserveTokens: number;
}

export interface KvCopy {
  readonly fromSlot: SlotId;
  readonly toSlot: SlotId;
  readonly tokens: number;
}

export type KvAdmission =
  | {
      readonly kind: 'admitted';
      readonly slot: SlotId;
      /** Leading tokens whose rows need no computing, once `copy` is done. */
      readonly cachedTokens: number;
      readonly copy?: KvCopy;
    }
  | { readonly kind: 'full'; readonly missingBlocks: number; readonly missingSlots: number };

/**
 * KV slots of running sequences and the prefixes that finished ones left. A running slot is pinned; a finished one
 * stays as an idle slot with its registered blocks until its room is needed, least recently used first. A new prompt
 * takes an idle slot over when the prompt begins with all of it, and has the common rows copied otherwise. Invariants:
 * `0 ≤ cachedTokens < promptTokens`; committed blocks = pinned + idle ≤ `blocksTotal`.
 */
export class KvCache {
  readonly #pool: SlotPool;
  readonly #tree: PrefixTree;
  readonly #grain: number;
  readonly #pinned = new Set<SlotId>();
  /** In order of use, the oldest first. */
  readonly #idle = new Set<SlotId>();
  #pinnedBlocks = 0;

  constructor(options: KvCacheOptions) {
    const grain = options.reuseGrainTokens;
    assert(grain >= 0 && grain % blockTokens === 0, 'reuse grain must be whole blocks', { grain });
    this.#pool = new SlotPool(options);
    this.#tree = new PrefixTree(options.onPrefix);
    this.#grain = grain;
  }

  get blocksTotal(): number {
    return this.#pool.blocksTotal;
  }

  /** Blocks of running sequences; zero when nothing runs. */
  get pinnedBlocks(): number {
    return this.#pinnedBlocks;
  }

  /** Blocks of finished sequences, kept for reuse. */
  get idleBlocks(): number {
    return this.#pool.blocksUsed - this.#pinnedBlocks;
  }

  /** Blocks that a new sequence could have now. */
  get availableBlocks(): number {
    return this.#pool.blocksTotal - this.#pinnedBlocks;
  }

  get availableSlots(): number {
    return this.#pool.slotCount - this.#pinned.size;
  }

  get sequenceTokensMax(): number {
    return this.#pool.sequenceTokensMax;
  }

  /** Tokens that `tryAdmit` would find stored for this prompt now. Pure. */
  cachedTokensFor(demand: KvDemand): number {
    return this.#match(demand)?.tokens ?? 0;
  }

  /** Pins a slot for a prompt, with what is stored of it; evicts idle slots for room, and only if that is enough. */
  tryAdmit(demand: KvDemand): KvAdmission {
    const { promptTokens, reserveTokens } = demand;
    assert(promptTokens >= 1 && reserveTokens >= promptTokens, 'reserve below prompt', { promptTokens, reserveTokens });
    const missingBlocks = Math.max(0, blocksFor(reserveTokens) - this.availableBlocks);
    const missingSlots = this.availableSlots === 0 ? 1 : 0;
    if (missingBlocks > 0 || missingSlots > 0) return { kind: 'full', missingBlocks, missingSlots };
    const match = this.#match(demand);
    if (match === undefined) return this.#admitCold(reserveTokens);
    if (this.#idle.has(match.slot) && (match.whole || !this.#hasRoomBeside(match.slot, reserveTokens))) {
      return this.#takeOver(match.slot, match.tokens, reserveTokens);
    }
    return this.#admitCopy(match.slot, match.tokens, reserveTokens);
  }

  /** Commits blocks so that a running slot holds `tokens`; evicts idle slots, and only if that is enough. */
  tryGrow(slot: SlotId, tokens: number): { kind: 'grown' } | { kind: 'full'; missingBlocks: number } {
    const more = blocksFor(tokens) - this.#pool.blocksOf(slot);
    if (more <= 0) return { kind: 'grown' };
    if (more > this.availableBlocks) return { kind: 'full', missingBlocks: more - this.availableBlocks };
    this.#pinnedBlocks += this.#resize(slot, tokens);
    return { kind: 'grown' };
  }

  /** Says that the first `tokens` rows of a running slot are stored, so that others may copy them. */
  register(slot: SlotId, key: PrefixKey, tokens: number): void {
    assert(this.#pinned.has(slot), 'only a running slot gets new rows', { slot });
    const blocks = Math.floor(tokens / blockTokens);
    assert(blocks <= this.#pool.blocksOf(slot), 'more rows than room', { slot, tokens });
    if (this.#grain > 0) this.#tree.extend(slot, key, Math.min(blocks, key.length));
  }

  /** Ends a running sequence. Its registered blocks stay for reuse unless another slot has them too. */
  retire(slot: SlotId): void {
    assert(this.#pinned.delete(slot), 'slot does not run', { slot });
    this.#pinnedBlocks -= this.#pool.blocksOf(slot);
    const tokens = this.#tree.tokensOf(slot);
    if (tokens === 0 || this.#tree.isStoredElsewhere(slot)) {
      this.#drop(slot);
      return;
    }
    this.#pool.tryResize(slot, tokens);
    this.#idle.add(slot);
  }

  /** Forgets every idle slot. */
  clear(): void {
    for (const slot of [...this.#idle]) this.#evict(slot);
  }

  #match(demand: KvDemand) {
    const { key, promptTokens } = demand;
    const match = this.#tree.match(key, reusedTokensMax(promptTokens, this.#grain) / blockTokens);
    if (match === undefined) return undefined;
    const tokens = reusedTokens(match.tokens, demand, this.#grain);
    if (tokens === match.tokens) return match;
    return tokens === 0 ? undefined : this.#tree.match(key, tokens / blockTokens);
  }

  #admitCold(tokens: number): KvAdmission {
    return { kind: 'admitted', slot: this.#takeSlot(tokens), cachedTokens: 0 };
  }

  #admitCopy(fromSlot: SlotId, cachedTokens: number, reserveTokens: number): KvAdmission {
    const fromIdle = this.#idle.delete(fromSlot);
    const toSlot = this.#takeSlot(reserveTokens);
    if (fromIdle) this.#idle.add(fromSlot);
    return { kind: 'admitted', slot: toSlot, cachedTokens, copy: { fromSlot, toSlot, tokens: cachedTokens } };
  }

  #takeOver(slot: SlotId, cachedTokens: number, reserveTokens: number): KvAdmission {
    this.#idle.delete(slot);
    this.#tree.truncate(slot, cachedTokens / blockTokens);
    this.#resize(slot, reserveTokens);
    this.#pinned.add(slot);
    this.#pinnedBlocks += this.#pool.blocksOf(slot);
    return { kind: 'admitted', slot, cachedTokens };
  }

  /** Could a new slot be had while this idle one stays? */
  #hasRoomBeside(slot: SlotId, tokens: number): boolean {
    return this.availableSlots > 1 && blocksFor(tokens) + this.#pool.blocksOf(slot) <= this.availableBlocks;
  }

  #takeSlot(tokens: number): SlotId {
    let admission = this.#pool.tryAdmit(tokens);
    while (admission.kind === 'full') {
      this.#evictOldest();
      admission = this.#pool.tryAdmit(tokens);
    }
    this.#pinned.add(admission.slot);
    this.#pinnedBlocks += this.#pool.blocksOf(admission.slot);
    return admission.slot;
  }

  #resize(slot: SlotId, tokens: number): number {
    const before = this.#pool.blocksOf(slot);
    while (this.#pool.tryResize(slot, tokens).kind === 'full') this.#evictOldest();
    return this.#pool.blocksOf(slot) - before;
  }

  #evictOldest(): void {
    const [oldest] = this.#idle;
    assert(oldest !== undefined, 'room was promised but nothing is idle', { used: this.#pool.blocksUsed });
    this.#evict(oldest);
  }

  #evict(slot: SlotId): void {
    this.#idle.delete(slot);
    this.#drop(slot);
  }

  #drop(slot: SlotId): void {
    this.#tree.truncate(slot, 0);
    this.#pool.free(slot);
  }
}

/**
 * Of so many leading tokens that are stored, those that a prompt reuses: whole grains, never the whole prompt, and what
 * its kernels allow.
 */
export function reusedTokens(
  storedTokens: number,
  { promptTokens, reusable = (tokens) => tokens }: Pick<KvDemand, 'promptTokens' | 'reusable'>,
  grainTokens: number,
): number {
  const most = Math.min(storedTokens, reusedTokensMax(promptTokens, grainTokens));
  return most === 0 ? 0 : reusable(most - (most % grainTokens));
}

function reusedTokensMax(promptTokens: number, grainTokens: number): number {
  return grainTokens === 0 ? 0 : Math.floor((promptTokens - 1) / grainTokens) * grainTokens;
}
