import { assert } from '@tercet/base';

/**
 * Results on their way from the step loop to one reader, in order; then an end or a failure. The loop never waits for
 * the reader: a request's results are bounded by its own token limit.
 */
export class Channel<T> {
  #items: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #waiter: PromiseWithResolvers<T | undefined> | undefined;

  push(item: T): void {
    assert(this.#end === undefined, 'result after the end');
    const waiter = this.#takeWaiter();
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve(item);
  }

  /** No more results; those that are there are still read. */
  end(): void {
    this.#end ??= {};
    this.#takeWaiter()?.resolve(undefined);
  }

  /** The reader gets the error next; results that it has not read are dropped. */
  fail(error: unknown): void {
    if (this.#end !== undefined && this.#items.length === 0) return;
    this.#end = { error };
    this.#items = [];
    this.#takeWaiter()?.reject(error);
  }

  /** The next result, or `undefined` after the last. @throws what `fail` was given */
  async next(): Promise<T | undefined> {
    if (this.#items.length > 0) return this.#items.shift();
    if (this.#end !== undefined) {
      if (this.#end.error !== undefined) throw this.#end.error;
      return undefined;
    }
    assert(this.#waiter === undefined, 'two readers of one channel');
    this.#waiter = Promise.withResolvers<T | undefined>();
    return this.#waiter.promise;
  }

  #takeWaiter() {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }
}
