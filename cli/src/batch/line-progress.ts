import { barOf } from '../terminal/bar.js';
import type { Output } from '../terminal/terminal.js';
import type { Batch } from './batches-api.js';

const barColumns = 24;

/** How far a batch is, drawn over on one line; on a pipe, one line for each state. */
export class LineProgress implements Disposable {
  readonly #output: Output;
  #status = '';

  constructor(output: Output) {
    this.#output = output;
  }

  show({ status, request_counts: counts }: Batch): void {
    const { colours, isTty } = this.#output;
    if (!isTty) {
      if (status !== this.#status) this.#output.write(`${status} …\n`);
      this.#status = status;
      return;
    }
    const done = counts.completed + counts.failed;
    const share = counts.total === 0 ? 0 : done / counts.total;
    const failed = counts.failed === 0 ? '' : colours.red(`  ${counts.failed} failed`);
    const amount = counts.total === 0 ? '' : `  ${done} of ${counts.total} lines`;
    this.#output.write(`\r${status}  ${colours.cyan(barOf(share, barColumns))}${amount}${failed}\u001b[K`);
  }

  [Symbol.dispose](): void {
    if (this.#output.isTty) this.#output.write('\r\u001b[K');
  }
}
