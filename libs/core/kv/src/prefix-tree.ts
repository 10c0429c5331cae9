import { assert } from '@tercet/base';
import { type BlockDigest, blockDigestOf, type PrefixListener } from './block-digest.js';
import type { PrefixKey } from './prefix-key.js';
import { blockTokens, type SlotId } from './slot-pool.js';

export interface PrefixMatch {
  readonly slot: SlotId;
  /** Leading tokens of the key that the slot holds, a multiple of the block. */
  readonly tokens: number;
  /** The slot holds no registered block beyond the match. */
  readonly whole: boolean;
}

interface Node {
  readonly label: string;
  readonly digest: BlockDigest;
  readonly parent: Node | undefined;
  readonly depth: number;
  readonly children: Map<string, Node>;
  /** Slots that hold this block after all blocks above it. Never empty except at the root. */
  readonly slots: Set<SlotId>;
}

/**
 * Which slots hold which prefixes. A tree whose edges are block labels: a node stands for a prefix, and knows every
 * slot whose leading blocks are that prefix. KV is contiguous per slot, so one prefix can be stored in several slots.
 * The number of nodes is at most the number of registered blocks, and those are bounded by the pool.
 * @see Zheng et al. 2024, SGLang, arXiv:2312.07104, RadixAttention; here the edges are whole blocks and slots hold
 * copies
 */
export class PrefixTree {
  readonly #root: Node = newNode('', undefined);
  readonly #deepest = new Map<SlotId, Node>();
  readonly #listener: PrefixListener | undefined;
  #nodeCount = 0;

  /** @param listener hears of every block that the first slot stores and the last one loses */
  constructor(listener?: PrefixListener) {
    this.#listener = listener;
  }

  get nodeCount(): number {
    return this.#nodeCount;
  }

  /** Registered tokens of a slot. */
  tokensOf(slot: SlotId): number {
    return (this.#deepest.get(slot)?.depth ?? 0) * blockTokens;
  }

  /** True when another slot holds every registered block of this one. */
  isStoredElsewhere(slot: SlotId): boolean {
    return (this.#deepest.get(slot)?.slots.size ?? 0) > 1;
  }

  /** The longest stored prefix of at most `blocksMax` blocks, from a slot with nothing beyond it where there is one. */
  match(key: PrefixKey, blocksMax: number): PrefixMatch | undefined {
    let node = this.#root;
    for (let i = 0; i < key.length && i < blocksMax; i++) {
      const child = node.children.get(key[i] as string);
      if (child === undefined) break;
      node = child;
    }
    if (node === this.#root) return undefined;
    let found: SlotId | undefined;
    for (const slot of node.slots) {
      if (this.#deepest.get(slot) === node) return { slot, tokens: node.depth * blockTokens, whole: true };
      found ??= slot;
    }
    assert(found !== undefined, 'a prefix without a slot', { depth: node.depth });
    return { slot: found, tokens: node.depth * blockTokens, whole: false };
  }

  /** Registers the first `blocks` labels as stored in the slot, after what is registered of it already. */
  extend(slot: SlotId, key: PrefixKey, blocks: number): void {
    assert(blocks <= key.length, 'more blocks than labels', { blocks, labels: key.length });
    let node = this.#deepest.get(slot) ?? this.#root;
    if (node.depth >= blocks) return;
    for (let i = node.depth; i < blocks; i++) {
      const label = key[i] as string;
      let child = node.children.get(label);
      if (child === undefined) {
        child = newNode(label, node);
        node.children.set(label, child);
        this.#nodeCount++;
        this.#listener?.stored(child.digest);
      }
      child.slots.add(slot);
      node = child;
    }
    this.#deepest.set(slot, node);
  }

  /** Forgets the slot's blocks beyond the first `blocks`: they are about to be overwritten or given back. */
  truncate(slot: SlotId, blocks: number): void {
    let node = this.#deepest.get(slot);
    if (node === undefined) return;
    while (node.depth > blocks) {
      node.slots.delete(slot);
      const parent: Node | undefined = node.parent;
      assert(parent !== undefined, 'the root holds no slot');
      if (node.slots.size === 0) {
        parent.children.delete(node.label);
        this.#nodeCount--;
        this.#listener?.evicted(node.digest);
      }
      node = parent;
    }
    if (node.depth === 0) this.#deepest.delete(slot);
    else this.#deepest.set(slot, node);
  }
}

function newNode(label: string, parent: Node | undefined): Node {
  const depth = parent === undefined ? 0 : parent.depth + 1;
  const digest = parent === undefined ? (0 as BlockDigest) : blockDigestOf(label, parent.digest);
  return { label, digest, parent, depth, children: new Map(), slots: new Set() };
}
