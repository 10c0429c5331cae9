/** What a change asks of the processes: cores given to some, cores asked back from others. */
export interface ShareActions<Client> {
  readonly grants: readonly { readonly client: Client; readonly threads: number }[];
  readonly recalls: readonly Client[];
}

/**
 * Divides the cores of a machine among processes that compute in steps. ggml's threads spin at barriers, so two steps
 * must never have more threads than there are cores: together they would run slower than one after the other.
 *
 * A process keeps its cores from step to step until somebody else needs some; then it gives them back at the end of its
 * step and asks again. Whoever was asked back in the middle of work counts as active for a moment, so that the others
 * get their share and not everything.
 */
export class CoreShares<Client> {
  readonly #cores: number;
  readonly #activeAfterMs: number;
  readonly #held = new Map<Client, number>();
  /** Cores that a process has use for, held or waited for. */
  readonly #wanted = new Map<Client, number>();
  readonly #recalled = new Set<Client>();
  readonly #activeUntilMs = new Map<Client, number>();
  #waiting: Client[] = [];

  /** @param activeAfterMs how long a process that gave cores back in the middle of work still counts as active */
  constructor(options: { cores: number; activeAfterMs: number }) {
    this.#cores = options.cores;
    this.#activeAfterMs = options.activeAfterMs;
  }

  get heldCores(): number {
    let sum = 0;
    for (const threads of this.#held.values()) sum += threads;
    return sum;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** A step has use for so many cores. One that waits already, or holds some, changes nothing. */
  want(client: Client, threadsMax: number, nowMs: number): ShareActions<Client> {
    if (!this.#held.has(client) && !this.#waiting.includes(client)) {
      this.#waiting.push(client);
      this.#wanted.set(client, Math.max(1, threadsMax));
    }
    return this.#settle(nowMs);
  }

  /** Cores come back. `busy`: the process has more to do and will ask again at once. */
  done(client: Client, busy: boolean, nowMs: number): ShareActions<Client> {
    this.#held.delete(client);
    this.#recalled.delete(client);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== client);
    if (!busy) this.#wanted.delete(client);
    if (busy) this.#activeUntilMs.set(client, nowMs + this.#activeAfterMs);
    else this.#activeUntilMs.delete(client);
    return this.#settle(nowMs);
  }

  #settle(nowMs: number): ShareActions<Client> {
    for (const [client, untilMs] of this.#activeUntilMs) if (untilMs <= nowMs) this.#activeUntilMs.delete(client);
    const share = this.#share();
    const grants: { client: Client; threads: number }[] = [];
    let free = this.#cores - this.heldCores;
    while (free > 0 && this.#waiting.length > 0) {
      const client = this.#waiting.shift() as Client;
      const threads = Math.min(free, share, this.#wants(client));
      this.#held.set(client, threads);
      grants.push({ client, threads });
      free -= threads;
    }
    return { grants, recalls: this.#recalls(share, free) };
  }

  /** Every active process the same, at least one core; what some have no use for is shared by the others. */
  #share(): number {
    const active = new Set([...this.#held.keys(), ...this.#waiting, ...this.#activeUntilMs.keys()]);
    let cores = this.#cores;
    let sharing = active.size;
    for (const wanted of [...active].map((client) => this.#wants(client)).toSorted((a, b) => a - b)) {
      if (sharing <= 1 || wanted >= cores / sharing) break;
      cores -= wanted;
      sharing--;
    }
    return Math.max(1, Math.floor(cores / Math.max(1, sharing)));
  }

  #wants(client: Client): number {
    return this.#wanted.get(client) ?? this.#cores;
  }

  /** Everyone when somebody waits; else those that could have more of what is free. */
  #recalls(share: number, free: number): Client[] {
    const recalls: Client[] = [];
    for (const [client, threads] of this.#held) {
      const wanted = this.#waiting.length > 0 || (free > 0 && threads < Math.min(share, this.#wants(client)));
      if (!wanted || this.#recalled.has(client)) continue;
      this.#recalled.add(client);
      recalls.push(client);
    }
    return recalls;
  }
}
