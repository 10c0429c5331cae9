import { printable, type Terminal } from '../terminal/terminal.js';
import {
  type ChatEnd,
  type ChatQuery,
  type GatewayAddress,
  type Message,
  type MessagePart,
  streamChat,
} from './gateway-api.js';
import { timelineLines } from './timeline.js';

export type GenerationOptions = Pick<ChatQuery, 'temperature' | 'max_tokens' | 'seed'>;

export interface ConversationOptions {
  readonly terminal: Terminal;
  readonly address: GatewayAddress;
  readonly model: string;
  readonly generation: GenerationOptions;
}

export interface Question {
  readonly question: string;
  readonly images: readonly MessagePart[];
  readonly timings: boolean;
}

/** What was asked and answered so far, and the next answer as it streams to the terminal. */
export class Conversation {
  readonly #options: ConversationOptions;
  #messages: Message[] = [];

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  get model(): string {
    return this.#options.model;
  }

  /** Forgets everything but what the model is told first. */
  begin(system: string | undefined): void {
    this.#messages = system === undefined ? [] : [{ role: 'system', content: system }];
  }

  /**
   * Asks and prints the answer. An answer that was stopped is kept as far as it came; after a failure the question is
   * forgotten, so that it can be asked again.
   */
  async ask({ question, images, timings }: Question, signal: AbortSignal): Promise<void> {
    const content = images.length === 0 ? question : [...images, { type: 'text' as const, text: question }];
    const messages: Message[] = [...this.#messages, { role: 'user', content }];
    const { terminal } = this.#options;
    const answer = { text: '' };
    let end: ChatEnd | undefined;
    try {
      end = await this.#stream(messages, answer, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (answer.text !== '' && !answer.text.endsWith('\n')) terminal.out.write('\n');
    }
    if (answer.text !== '' || end !== undefined) {
      this.#messages = [...messages, { role: 'assistant', content: answer.text }];
    }
    if (end !== undefined) this.#remark(end, timings);
  }

  async #stream(messages: readonly Message[], answer: { text: string }, signal: AbortSignal): Promise<ChatEnd> {
    const { terminal, address, model, generation } = this.#options;
    const pieces = streamChat(address, { model, messages, ...generation }, signal);
    for (;;) {
      const next = await pieces.next();
      if (next.done === true) return next.value;
      answer.text += next.value;
      terminal.out.write(terminal.out.isTty ? printable(next.value) : next.value);
    }
  }

  #remark({ reason, timeline }: ChatEnd, timings: boolean): void {
    const { note } = this.#options.terminal;
    if (reason === 'length') note.write(note.colours.dim('(the answer reached its longest length: --max-tokens)\n'));
    if (!timings) return;
    const lines = timeline === undefined ? ['the server told no timings'] : timelineLines(timeline, note.colours);
    note.write(`${lines.join('\n')}\n`);
  }
}
