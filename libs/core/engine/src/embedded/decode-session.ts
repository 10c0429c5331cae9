import { TercetError, toTercetError } from '@tercet/contracts';
import type { DecodeOutput, DecodeSession } from '../stage-engine.js';
import { finishDecode } from './publish.js';
import type { DecodeWork, SlotHold } from './work.js';
import type { WorkTable } from './work-table.js';

/** A slot that its owner fills with imported rows, and then decodes in. */
export class SlotSession implements DecodeSession {
  readonly #table: WorkTable;
  readonly #work: DecodeWork;
  readonly #slot: number;
  /** Held while rows may still be written: from the reservation until `run`, or until the session is given up. */
  #writing: SlotHold | undefined;

  constructor(table: WorkTable, work: DecodeWork) {
    if (work.hold === undefined) throw new Error('bug: session of a sequence without a slot');
    this.#table = table;
    this.#work = work;
    this.#slot = work.hold.slot;
    this.#writing = work.hold;
    table.takeHold(work.hold);
  }

  rows(layer: number, part: 'k' | 'v'): Uint8Array {
    if (this.#writing === undefined) throw new Error('bug: rows of a session that runs or ended');
    const toToken = this.#work.task.tokenIds.length;
    return this.#table.backend.kvView({ slot: this.#slot, layer, part, fromToken: 0, toToken });
  }

  async *run(firstTokenId: number, signal: AbortSignal): AsyncGenerator<DecodeOutput> {
    const work = this.#work;
    if (work.failure !== undefined) throw work.failure.error;
    if (signal.aborted) throw toTercetError(signal.reason, 'cancelled');
    const onAbort = () => this.#table.fail(work, toTercetError(signal.reason, 'cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#start(firstTokenId);
      for (let output = await work.outputs.next(); output !== undefined; output = await work.outputs.next()) {
        yield output;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#giveUp();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp();
  }

  #start(firstTokenId: number): void {
    const work = this.#work;
    const { tokenIds, tokensMax } = work.task;
    if (this.#writing === undefined) throw new Error('bug: a session runs once');
    const startedAtMs = this.#table.options.clock.nowMs();
    work.sampler.accept(firstTokenId);
    work.run = { tokenId: firstTokenId, position: tokenIds.length, produced: 0, startedAtMs };
    this.#stopWriting();
    if (tokensMax === 0) finishDecode(this.#table, work, 'length');
    else this.#table.startDecoding(work);
  }

  #stopWriting(): void {
    const hold = this.#writing;
    this.#writing = undefined;
    if (hold !== undefined) this.#table.letGo(hold);
  }

  #giveUp(): void {
    this.#table.fail(this.#work, new TercetError('cancelled', { requestId: this.#work.task.requestId }));
    this.#stopWriting();
  }
}
