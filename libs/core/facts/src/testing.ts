import type { wire } from '@tercet/contracts';
import type { FactJournal } from './fact-journal.js';

/** A reader's stream of which the test takes one message at a time. */
export class Reading {
  readonly #messages: AsyncGenerator<wire.FactsMessage>;
  readonly #stop = new AbortController();
  /** The journal ended the stream. */
  isOver = false;
  #next: Promise<IteratorResult<wire.FactsMessage>> | undefined;

  constructor(journal: FactJournal, from: wire.WatchFactsRequest = { generation: 0n, sequence: 0n }) {
    this.#messages = journal.watch(from, this.#stop.signal);
  }

  /** The next message; `undefined` while the journal has none, and at the end. */
  async tryNext(): Promise<wire.FactsMessage | undefined> {
    this.#next ??= this.#messages.next();
    const nothing = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
    const result = await Promise.race([this.#next, nothing]);
    if (result === undefined) return undefined;
    this.#next = undefined;
    this.isOver = result.done === true;
    return result.done === true ? undefined : result.value;
  }

  /** All that there is now. */
  async all(): Promise<wire.FactsMessage[]> {
    const messages: wire.FactsMessage[] = [];
    for (let next = await this.tryNext(); next !== undefined; next = await this.tryNext()) messages.push(next);
    return messages;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#messages.return(undefined);
  }
}
