import pc from 'picocolors';
import { environment } from '../config.js';

export type Colours = ReturnType<typeof pc.createColors>;

/** One stream to a person or a pipe. */
export interface Output {
  write(text: string): void;
  readonly isTty: boolean;
  readonly columns: number;
  /** Plain text where the stream is a pipe, NO_COLOR is set or the terminal is dumb. */
  readonly colours: Colours;
}

/** Answers go to `out`; progress, timings and errors go to `note`, so that a pipe gets the answer alone. */
export interface Terminal {
  readonly out: Output;
  readonly note: Output;
}

export function openTerminal(): Terminal {
  return { out: outputOf(process.stdout), note: outputOf(process.stderr) };
}

function outputOf(stream: NodeJS.WriteStream): Output {
  const isTty = stream.isTTY === true && environment.TERM !== 'dumb';
  const plain = (environment.NO_COLOR ?? '') !== '';
  const forced = (environment.FORCE_COLOR ?? '0') !== '0' && environment.FORCE_COLOR !== '';
  return {
    write: (text) => void stream.write(text),
    isTty,
    get columns() {
      return stream.columns || 100;
    },
    colours: pc.createColors(!plain && (isTty || forced)),
  };
}

/**
 * Text of others as a terminal may show it: control characters that could move the cursor, change the title or fake
 * output are left out. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '');
}
