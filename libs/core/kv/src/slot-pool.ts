import { assert, type Brand } from '@tercet/base';

/** One sequence's contiguous room in the KV arena; slots are equally strided, so a number addresses it. */
export type SlotId = Brand<number, 'SlotId'>;

/** Tokens of a KV block: the unit of accounting, hashing and eviction. */
export const blockTokens = 16;

export type SlotAdmission =
  | { readonly kind: 'admitted'; readonly slot: SlotId }
  | { readonly kind: 'full'; readonly missingBlocks: number; readonly missingSlots: number };

export type SlotResize =
  | { readonly kind: 'resized' }
  | { readonly kind: 'full'; readonly missingBlocks: number; readonly missingSlots: 0 };

export interface SlotPoolOptions {
  readonly slotCount: number;
  /** Length of a slot; every slot can hold the longest context. */
  readonly slotTokens: number;
  /** Blocks that may be committed to memory at once, over all slots. */
  readonly blocksTotal: number;
}

/** Whole blocks that hold this many tokens. */
export function blocksFor(tokens: number): number {
  return Math.ceil(tokens / blockTokens);
}

/**
 * Counts committed blocks. A slot is virtual memory and costs nothing; only its leading blocks that are committed do
 * (Prabhu et al. 2024, vAttention, arXiv:2405.04437), so the budget is in blocks and any slot can grow to full length.
 * Invariant: `blocksUsed` is the sum of `blocksOf` over all taken slots and never above `blocksTotal`.
 */
export class SlotPool {
  readonly slotCount: number;
  readonly slotTokens: number;
  readonly blocksTotal: number;
  readonly #blocks: Int32Array;
  readonly #freeSlots: SlotId[] = [];
  #blocksUsed = 0;

  constructor(options: SlotPoolOptions) {
    const { slotCount, slotTokens, blocksTotal } = options;
    assert(slotCount >= 1 && slotTokens >= blockTokens && blocksTotal >= 1, 'slot pool without room', options);
    this.slotCount = slotCount;
    this.slotTokens = slotTokens;
    this.blocksTotal = blocksTotal;
    this.#blocks = new Int32Array(slotCount).fill(-1);
    for (let slot = slotCount - 1; slot >= 0; slot--) this.#freeSlots.push(slot as SlotId);
  }

  get blocksUsed(): number {
    return this.#blocksUsed;
  }

  get freeSlotCount(): number {
    return this.#freeSlots.length;
  }

  /** Most tokens that one sequence can ever have here. */
  get sequenceTokensMax(): number {
    return Math.min(this.slotTokens, this.blocksTotal * blockTokens);
  }

  /** Takes the lowest recently freed slot and commits the blocks of `tokens`, or says what is missing. */
  tryAdmit(tokens: number): SlotAdmission {
    const blocks = this.#checkedBlocks(tokens);
    const missingBlocks = Math.max(0, this.#blocksUsed + blocks - this.blocksTotal);
    const missingSlots = this.#freeSlots.length === 0 ? 1 : 0;
    if (missingBlocks > 0 || missingSlots > 0) return { kind: 'full', missingBlocks, missingSlots };
    const slot = this.#freeSlots.pop() as SlotId;
    this.#blocks[slot] = blocks;
    this.#blocksUsed += blocks;
    return { kind: 'admitted', slot };
  }

  /** Commits or gives back blocks, so that the slot holds exactly those of `tokens`. */
  tryResize(slot: SlotId, tokens: number): SlotResize {
    const blocks = this.#checkedBlocks(tokens);
    const grown = this.#blocksUsed + blocks - this.blocksOf(slot);
    if (grown > this.blocksTotal) return { kind: 'full', missingBlocks: grown - this.blocksTotal, missingSlots: 0 };
    this.#blocks[slot] = blocks;
    this.#blocksUsed = grown;
    return { kind: 'resized' };
  }

  /** Gives the slot and all its blocks back. */
  free(slot: SlotId): void {
    this.#blocksUsed -= this.blocksOf(slot);
    this.#blocks[slot] = -1;
    this.#freeSlots.push(slot);
  }

  /** Committed blocks of a taken slot. */
  blocksOf(slot: SlotId): number {
    const blocks = this.#blocks[slot];
    assert(blocks !== undefined && blocks >= 0, 'slot is not taken', { slot, blocks });
    return blocks;
  }

  #checkedBlocks(tokens: number): number {
    assert(tokens >= 1 && tokens <= this.slotTokens, 'tokens outside a slot', { tokens, slotTokens: this.slotTokens });
    return blocksFor(tokens);
  }
}
