/** What a piece of an answer turned out to be. `index` counts the calls of the answer. */
export type ToolEvent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string };

const open = '<tool_call>';
const close = '</tool_call>';

/**
 * Reads tool calls out of an answer while it streams. `forced`: the whole answer is one call, as a grammar made it.
 * `tagged`: text with calls between `<tool_call>` and `</tool_call>`, as Hermes and Qwen models write them. A call is a
 * JSON object with `name` and `arguments`; the text of the arguments goes out as it comes.
 */
export class ToolCallParser {
  readonly #forced: boolean;
  #held = '';
  #call: CallReader | undefined;
  #calls = 0;

  constructor(mode: 'forced' | 'tagged') {
    this.#forced = mode === 'forced';
    if (this.#forced) this.#call = new CallReader(0);
  }

  /** How many calls have begun. */
  get callCount(): number {
    return this.#calls;
  }

  push(text: string): ToolEvent[] {
    const events: ToolEvent[] = [];
    let rest = this.#held + text;
    this.#held = '';
    while (rest !== '') rest = this.#call === undefined ? this.#text(rest, events) : this.#inCall(rest, events);
    return events;
  }

  /** No more text comes: what was held back is text. */
  end(): ToolEvent[] {
    const text = this.#held;
    this.#held = '';
    return text === '' || this.#call !== undefined ? [] : [{ kind: 'text', text }];
  }

  #text(text: string, events: ToolEvent[]): string {
    const at = text.indexOf(open);
    if (at >= 0) {
      if (at > 0) events.push({ kind: 'text', text: text.slice(0, at) });
      this.#call = new CallReader(this.#calls);
      return text.slice(at + open.length);
    }
    const keep = beginningOf(open, text);
    if (text.length > keep) events.push({ kind: 'text', text: text.slice(0, text.length - keep) });
    this.#held = text.slice(text.length - keep);
    return '';
  }

  #inCall(text: string, events: ToolEvent[]): string {
    const call = this.#call as CallReader;
    const used = call.isWhole ? 0 : call.read(text);
    const made = call.take();
    if (made.some(({ kind }) => kind === 'call')) this.#calls++;
    events.push(...made);
    if (!call.isWhole) return '';
    const rest = text.slice(used);
    if (this.#forced) return '';
    const end = rest.indexOf(close);
    if (end < 0) {
      this.#held = rest;
      return '';
    }
    this.#call = undefined;
    return rest.slice(end + close.length);
  }
}

/** Follows one JSON object from character to character; looks at its two keys only. */
class CallReader {
  isWhole = false;
  readonly #index: number;
  readonly #events: ToolEvent[] = [];
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The string being read at depth 1: a key, or the value of `name`. */
  #string = '';
  #key = '';
  #isValue = false;
  #name: string | undefined;
  #early = '';

  constructor(index: number) {
    this.#index = index;
  }

  /** Reads up to the end of the object; returns how many characters it took. */
  read(text: string): number {
    let argumentsFrom = -1;
    for (let at = 0; at < text.length; at++) {
      const inArguments = this.#isValue && this.#key === 'arguments';
      const before = this.#depth;
      const character = text[at] as string;
      this.#step(character);
      const ends = inArguments && before === 1 && this.#depth <= 1 && !this.#inString && /[,}]/.test(character);
      if (inArguments && !ends) {
        if (argumentsFrom < 0) argumentsFrom = at;
      } else if (argumentsFrom >= 0) {
        this.#addArguments(text.slice(argumentsFrom, at));
        argumentsFrom = -1;
      }
      if (this.isWhole) return at + 1;
    }
    if (argumentsFrom >= 0) this.#addArguments(text.slice(argumentsFrom));
    return text.length;
  }

  take(): ToolEvent[] {
    return this.#events.splice(0);
  }

  #step(character: string): void {
    if (this.#inString) this.#stepString(character);
    else if (character === '"') {
      this.#inString = true;
      this.#string = '';
    } else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#leave();
    else if (this.#depth === 1 && character === ':') this.#isValue = true;
    else if (this.#depth === 1 && character === ',') this.#isValue = false;
  }

  #stepString(character: string): void {
    if (character === '"' && !this.#escaped) {
      this.#inString = false;
      if (this.#depth === 1) this.#endString();
      return;
    }
    this.#escaped = character === '\\' && !this.#escaped;
    if (this.#depth === 1) this.#string += character;
  }

  #endString(): void {
    if (!this.#isValue) this.#key = this.#string;
    else if (this.#key === 'name' && this.#name === undefined) {
      this.#name = unescaped(this.#string);
      this.#events.push({ kind: 'call', index: this.#index, name: this.#name });
      if (this.#early !== '') this.#addArguments(this.#early);
    }
  }

  #leave(): void {
    this.#depth--;
    if (this.#depth === 0) this.isWhole = true;
  }

  /** Arguments that come before the name wait for it. */
  #addArguments(text: string): void {
    const trimmed = text.trimStart() === '' ? '' : text;
    if (trimmed === '') return;
    if (this.#name === undefined) this.#early += trimmed;
    else this.#events.push({ kind: 'arguments', index: this.#index, text: trimmed });
  }
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text;
  }
}

/** Length of the longest end of the text that begins the mark. */
function beginningOf(mark: string, text: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}
