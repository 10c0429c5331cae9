import type { JobLine } from './control-store.js';
import type { InputError, InputErrorCode } from './job.js';
import { LineSplitter, type SplitLine } from './line-splitter.js';

export interface InputLimits {
  readonly linesMax: number;
  readonly lineBytesMax: number;
}

/** Errors that are told; an input with so many is read no further. */
export const inputErrorsMax = 100;
const customIdLengthMax = 512;

/**
 * Reads the input of a batch as its bytes come: JSON lines, each with a `custom_id` of its own, `method` POST, the
 * `url` of the batch, and a `body`. What the body must hold is the endpoint's affair, once the line runs. Blank lines
 * count for the numbers in messages and for nothing else.
 */
export class InputCheck {
  readonly errors: InputError[] = [];
  readonly #endpoint: string;
  readonly #limits: InputLimits;
  readonly #splitter: LineSplitter;
  readonly #customIds = new Map<string, number>();
  #textLines = 0;

  constructor(endpoint: string, limits: InputLimits) {
    this.#endpoint = endpoint;
    this.#limits = limits;
    this.#splitter = new LineSplitter(limits.lineBytesMax);
  }

  /** Lines that can run, of those that are good so far. */
  get lines(): number {
    return this.#customIds.size;
  }

  /** Reading on is no use. */
  get isHopeless(): boolean {
    return this.errors.length >= inputErrorsMax || this.lines > this.#limits.linesMax;
  }

  /** @returns the good lines that end in this piece */
  push(content: Uint8Array): JobLine[] {
    return this.#linesOf(this.#splitter.push(content));
  }

  /** @returns the last line; after it, `errors` are all there are */
  end(): JobLine[] {
    const last = this.#linesOf(this.#splitter.end());
    if (this.#customIds.size === 0 && this.errors.length === 0) {
      this.errors.push({ code: 'empty_file', message: 'The input file has no lines.' });
    }
    return last;
  }

  #linesOf(split: Iterable<SplitLine>): JobLine[] {
    const good: JobLine[] = [];
    for (const each of split) {
      if (this.isHopeless) break;
      this.#textLines++;
      const line = this.#read(each);
      if (line !== undefined) good.push(line);
    }
    return good;
  }

  #read(split: SplitLine): JobLine | undefined {
    if (split.kind === 'too large') {
      return this.#refuse('line_too_large', `The line is longer than ${this.#limits.lineBytesMax} bytes.`);
    }
    if (split.kind === 'not utf-8') return this.#refuse('invalid_json_line', 'The line is not UTF-8.');
    if (split.text.trim() === '') return undefined;
    const json = parsed(split.text);
    if (json === undefined) return this.#refuse('invalid_json_line', 'The line is not a JSON object.');
    return this.#check(json);
  }

  #check({ custom_id: customId, method, url, body }: Readonly<Record<string, unknown>>): JobLine | undefined {
    if (typeof customId !== 'string' || customId === '' || customId.length > customIdLengthMax) {
      const message = `custom_id must be a text of 1 to ${customIdLengthMax} characters.`;
      return this.#refuse('invalid_custom_id', message, 'custom_id');
    }
    const before = this.#customIds.get(customId);
    if (before !== undefined) {
      return this.#refuse('duplicate_custom_id', `Line ${before} has the same custom_id.`, 'custom_id');
    }
    if (method !== 'POST') return this.#refuse('invalid_method', 'method must be POST.', 'method');
    if (url !== this.#endpoint) {
      return this.#refuse('invalid_url', `url must be the endpoint of the batch, ${this.#endpoint}.`, 'url');
    }
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return this.#refuse('invalid_body', 'body must be a JSON object.', 'body');
    }
    if ('stream' in body && body.stream === true) {
      return this.#refuse('stream_unsupported', 'A line of a batch cannot be streamed.', 'body.stream');
    }
    const line = this.#customIds.size;
    this.#customIds.set(customId, this.#textLines);
    if (line === this.#limits.linesMax) {
      return this.#refuse('too_many_lines', `A batch has at most ${this.#limits.linesMax} lines.`);
    }
    return { line, customId, body: JSON.stringify(body) };
  }

  #refuse(code: InputErrorCode, message: string, param?: string): undefined {
    this.errors.push({ code, message, line: this.#textLines, ...(param === undefined ? {} : { param }) });
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
