/** What names a record, whatever log it came through. */
export interface RecordName {
  readonly producerId: string;
  readonly sequence: bigint;
}

const wordBits = 32;

/** Sequence numbers of a producer that are told apart, back from the highest. */
export const duplicateWindow = 1024;

interface Producer {
  highest: number;
  /** One bit for each of the latest numbers; number n has place n mod {@link duplicateWindow}. */
  readonly seen: Uint32Array;
}

/**
 * Which records a reader had already. A repetition may be missed, when it comes later than {@link duplicateWindow}
 * numbers or after `producersMax` other producers; a record that is new is never taken for one.
 */
export class Duplicates {
  readonly #producersMax: number;
  /** The one heard of longest ago comes first. */
  readonly #producers = new Map<string, Producer>();

  constructor(producersMax: number) {
    this.#producersMax = producersMax;
  }

  has({ producerId, sequence }: RecordName): boolean {
    const producer = this.#producers.get(producerId);
    const number = Number(sequence);
    if (producer === undefined || number > producer.highest) return false;
    return number > producer.highest - duplicateWindow && bitOf(producer.seen, number);
  }

  add({ producerId, sequence }: RecordName): void {
    const number = Number(sequence);
    const producer = this.#producers.get(producerId) ?? this.#newProducer(number);
    this.#producers.delete(producerId);
    this.#producers.set(producerId, producer);
    if (number <= producer.highest - duplicateWindow) return;
    const passed = Math.min(number - producer.highest, duplicateWindow);
    for (let i = 0; i < passed; i++) setBit(producer.seen, number - i, false);
    producer.highest = Math.max(producer.highest, number);
    setBit(producer.seen, number, true);
  }

  #newProducer(highest: number): Producer {
    const [oldest] = this.#producers.keys();
    if (this.#producers.size >= this.#producersMax && oldest !== undefined) this.#producers.delete(oldest);
    return { highest, seen: new Uint32Array(duplicateWindow / wordBits) };
  }
}

function bitOf(words: Uint32Array, number: number): boolean {
  const place = number % duplicateWindow;
  return (((words[Math.floor(place / wordBits)] ?? 0) >>> (place % wordBits)) & 1) === 1;
}

function setBit(out: Uint32Array, number: number, value: boolean): void {
  const place = number % duplicateWindow;
  const word = Math.floor(place / wordBits);
  const mask = 1 << (place % wordBits);
  out[word] = value ? (out[word] ?? 0) | mask : (out[word] ?? 0) & ~mask;
}
