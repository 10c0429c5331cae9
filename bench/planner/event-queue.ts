/** Things that happen at a time, the earliest first; of equal times the one that was added first. */
export class EventQueue<T> {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #events: T[] = [];
  #added = 0;

  get nextMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, event: T): void {
    const order = this.#added++;
    let place = this.#times.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if ((this.#times[above] as number) <= atMs) break;
      this.#put(place, above);
      place = above;
    }
    this.#times[place] = atMs;
    this.#orders[place] = order;
    this.#events[place] = event;
  }

  take(): T {
    const first = this.#events[0] as T;
    const last = this.#times.length - 1;
    const [time, order, event] = [this.#times[last] as number, this.#orders[last] as number, this.#events[last] as T];
    this.#times.length = last;
    this.#orders.length = last;
    this.#events.length = last;
    if (last === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= last) break;
      if (below + 1 < last && this.#isBefore(below + 1, this.#times[below] as number, this.#orders[below] as number))
        below++;
      if (!this.#isBefore(below, time, order)) break;
      this.#put(place, below);
      place = below;
    }
    this.#times[place] = time;
    this.#orders[place] = order;
    this.#events[place] = event;
    return first;
  }

  #isBefore(place: number, time: number, order: number): boolean {
    const other = this.#times[place] as number;
    return other < time || (other === time && (this.#orders[place] as number) < order);
  }

  #put(place: number, from: number): void {
    this.#times[place] = this.#times[from] as number;
    this.#orders[place] = this.#orders[from] as number;
    this.#events[place] = this.#events[from] as T;
  }
}
