import { wire } from '@tercet/contracts';

export interface PodFactsOptions {
  /**
   * Keys of prompt blocks and of media tokens, each: the oldest go when more come. What is forgotten counts as not
   * cached, so a pod may have more than it is believed to have, never less.
   */
  readonly keysMax: number;
}

/** `gap`: something is missing or does not follow; everything was forgotten, and a snapshot must be asked for. */
export type Applied = 'applied' | 'stale' | 'gap';

type State =
  | { readonly kind: 'nothing' }
  /** A snapshot comes; this part is the next. */
  | { readonly kind: 'filling'; readonly part: number }
  /** What is known is all that the pod told. */
  | { readonly kind: 'whole' }
  /** As above, up to the moment when the stream broke. */
  | { readonly kind: 'paused' };

/**
 * What one pod has cached, as far as its stream of facts told. It believes nothing that may be wrong: before a
 * snapshot is complete, after a gap and while the stream is broken, it knows of nothing.
 */
export class PodFacts {
  readonly #keysMax: number;
  readonly #prefixBlocks = new Set<number>();
  readonly #media = new Set<number>();
  #state: State = { kind: 'nothing' };
  #generation = 0n;
  #sequence = 0n;
  #role = wire.Role.ROLE_UNSPECIFIED;
  #epoch = 0n;

  constructor({ keysMax }: PodFactsOptions) {
    this.#keysMax = keysMax;
  }

  /** Where the stream is to go on. */
  get place(): wire.WatchFactsRequest {
    const { kind } = this.#state;
    if (kind !== 'paused' && kind !== 'whole') return { generation: 0n, sequence: 0n };
    return { generation: this.#generation, sequence: this.#sequence };
  }

  /** Whether what is known is true of the pod in this role and epoch. */
  isOf({ role, epoch }: { readonly role: wire.Role; readonly epoch: bigint }): boolean {
    return this.#state.kind === 'whole' && this.#role === role && this.#epoch === epoch;
  }

  /** Cached things that it knows of. */
  get keyCount(): { readonly prefixBlocks: number; readonly media: number } {
    if (this.#state.kind !== 'whole') return { prefixBlocks: 0, media: 0 };
    return { prefixBlocks: this.#prefixBlocks.size, media: this.#media.size };
  }

  /** How many leading blocks of a prompt are stored there. Cost: one look for each of them. */
  storedBlocks(blocks: readonly number[]): number {
    if (this.#state.kind !== 'whole') return 0;
    const missing = blocks.findIndex((block) => !this.#prefixBlocks.has(block));
    return missing < 0 ? blocks.length : missing;
  }

  hasMedia(key: number): boolean {
    return this.#state.kind === 'whole' && this.#media.has(key);
  }

  /** The next message of the stream. */
  apply(message: wire.FactsMessage): Applied {
    const { body } = message;
    switch (body?.$case) {
      case 'resync':
        this.#forget();
        this.#generation = message.generation;
        this.#state = { kind: 'filling', part: 0 };
        return 'applied';
      case 'snapshot':
        return this.#fill(message, body.value);
      case 'resumed':
        return this.#resume(message);
      case 'change':
      case 'cleared':
        return this.#change(message, body);
      case undefined:
        return this.#gap();
      default:
        return body satisfies never;
    }
  }

  /** The stream broke: what is known counts again when the pod says that it is still true. */
  pause(): void {
    if (this.#state.kind === 'whole') this.#state = { kind: 'paused' };
    else if (this.#state.kind === 'filling') this.#forget();
  }

  #fill(message: wire.FactsMessage, { part, last, prefixBlocks, media }: wire.FactsSnapshot): Applied {
    const { generation, sequence } = message;
    const follows = this.#state.kind === 'filling' && this.#state.part === part && generation === this.#generation;
    if (!follows || (part > 0 && sequence !== this.#sequence)) return this.#gap();
    this.#add(this.#prefixBlocks, prefixBlocks);
    this.#add(this.#media, media);
    this.#take(message);
    this.#state = last ? { kind: 'whole' } : { kind: 'filling', part: part + 1 };
    return 'applied';
  }

  #resume({ generation, sequence }: wire.FactsMessage): Applied {
    const isSame = generation === this.#generation && sequence === this.#sequence;
    if (this.#state.kind !== 'paused' || !isSame) return this.#gap();
    this.#state = { kind: 'whole' };
    return 'applied';
  }

  #change(message: wire.FactsMessage, body: NonNullable<wire.FactsMessage['body']>): Applied {
    const { generation, sequence } = message;
    if (this.#state.kind !== 'whole' || generation !== this.#generation) return this.#gap();
    if (sequence <= this.#sequence) return 'stale';
    if (sequence !== this.#sequence + 1n) return this.#gap();
    if (body.$case === 'change') {
      const { prefixBlocksStored, prefixBlocksEvicted, mediaCached, mediaEvicted } = body.value;
      for (const key of prefixBlocksEvicted) this.#prefixBlocks.delete(Number(key));
      for (const key of mediaEvicted) this.#media.delete(Number(key));
      this.#add(this.#prefixBlocks, prefixBlocksStored);
      this.#add(this.#media, mediaCached);
    } else this.#clear();
    this.#take(message);
    return 'applied';
  }

  #add(keys: Set<number>, more: readonly bigint[]): void {
    for (const key of more) keys.add(Number(key));
    for (const oldest of keys) {
      if (keys.size <= this.#keysMax) return;
      keys.delete(oldest);
    }
  }

  #take({ generation, sequence, role, epoch }: wire.FactsMessage): void {
    this.#generation = generation;
    this.#sequence = sequence;
    this.#role = role;
    this.#epoch = epoch;
  }

  #gap(): Applied {
    this.#forget();
    return 'gap';
  }

  #forget(): void {
    this.#clear();
    this.#state = { kind: 'nothing' };
  }

  #clear(): void {
    this.#prefixBlocks.clear();
    this.#media.clear();
  }
}
