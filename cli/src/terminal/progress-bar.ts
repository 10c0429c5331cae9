import { stripVTControlCharacters } from 'node:util';
import { barOf } from './bar.js';
import { textWidth } from './table.js';
import type { Output } from './terminal.js';
import { formatBytes, formatClock } from './units.js';

export interface Progress {
  readonly label: string;
  /** What is done now, when it is not the download itself. */
  readonly state?: string | undefined;
  readonly bytesDone: number;
  readonly bytesTotal: number | undefined;
}

const drawEveryMs = 100;
const barColumns = 24;
const speedWindowMs = 3_000;

/** One line that is drawn over; on a pipe only the first and the last state of a label are written. */
export class ProgressBar {
  readonly #output: Output;
  readonly #nowMs: () => number;
  #label = '';
  #drawnMs = Number.NEGATIVE_INFINITY;
  #samples: { ms: number; bytes: number }[] = [];
  #shown = false;

  constructor(output: Output, nowMs: () => number) {
    this.#output = output;
    this.#nowMs = nowMs;
  }

  show(progress: Progress): void {
    const now = this.#nowMs();
    const started = progress.label !== this.#label;
    if (started) this.#begin(progress);
    this.#samples.push({ ms: now, bytes: progress.bytesDone });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.ms ?? now) > speedWindowMs) this.#samples.shift();
    if (!this.#output.isTty || now - this.#drawnMs < drawEveryMs) return;
    this.#drawnMs = now;
    this.#draw(this.#line(progress));
  }

  /** Writes a line for good, in place of the bar. */
  finish(text: string): void {
    this.clear();
    this.#output.write(`${text}\n`);
    this.#label = '';
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#shown) this.#output.write('\r\u001b[K');
    this.#shown = false;
  }

  #begin({ label, bytesTotal }: Progress): void {
    this.#label = label;
    this.#samples = [];
    this.#drawnMs = Number.NEGATIVE_INFINITY;
    if (this.#output.isTty) return;
    this.#output.write(`${label}${bytesTotal === undefined ? '' : `, ${formatBytes(bytesTotal)}`} …\n`);
  }

  #line({ label, state, bytesDone, bytesTotal }: Progress): string {
    const { colours } = this.#output;
    const bytesPerMs = this.#bytesPerMs();
    const speed = bytesPerMs === undefined ? '' : `  ${formatBytes(bytesPerMs * 1000)}/s`;
    const tail = state === undefined ? speed : `  ${state}`;
    if (bytesTotal === undefined) return `${label}  ${formatBytes(bytesDone)}${tail}`;
    const share = bytesTotal === 0 ? 1 : bytesDone / bytesTotal;
    const seconds = state !== undefined || !bytesPerMs ? undefined : (bytesTotal - bytesDone) / bytesPerMs / 1000;
    const left = seconds === undefined ? '' : `  ${formatClock(seconds)}`;
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
    const amount = `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`;
    return `${label}  ${colours.cyan(barOf(share, barColumns))} ${percent}  ${amount}${tail}${left}`;
  }

  #bytesPerMs(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.ms - first.ms < 300) return undefined;
    return Math.max(0, last.bytes - first.bytes) / (last.ms - first.ms);
  }

  #draw(line: string): void {
    // A line that wraps could not be drawn over: one that is too long loses its end.
    const room = this.#output.columns - 1;
    const text = textWidth(line) <= room ? line : stripVTControlCharacters(line).slice(0, room);
    this.#output.write(`\r${text}\u001b[K`);
    this.#shown = true;
  }
}
