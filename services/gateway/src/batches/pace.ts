const linesMaxFirst = 4;
const linesMaxTop = 1024;

/**
 * How many lines run at a time, found by trying: one more for each round of them that went well, half as many after a
 * refusal. What requests leave is a bound of its own.
 * @see Chiu & Jain 1989, "Analysis of the increase and decrease algorithms for congestion avoidance"
 */
export class Pace {
  #linesMax = linesMaxFirst;

  get linesMax(): number {
    return Math.floor(this.#linesMax);
  }

  succeeded(): void {
    this.#linesMax = Math.min(linesMaxTop, this.#linesMax + 1 / this.#linesMax);
  }

  refused(): void {
    this.#linesMax = Math.max(1, this.#linesMax / 2);
  }
}
