import { Template } from '@huggingface/jinja';
import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { TextSegment } from '../tokenizer/token-codec.js';

export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

export type ChatPart = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'media' };

export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

export interface ChatMessage {
  readonly role: ChatRole;
  readonly parts: readonly ChatPart[];
  readonly toolCalls?: readonly ChatToolCall[];
  readonly toolCallId?: string;
  readonly name?: string;
}

export type PromptSegment =
  | ({ readonly kind: 'text' } & TextSegment)
  | { readonly kind: 'media'; readonly index: number };

export interface RenderOptions {
  readonly addGenerationPrompt: boolean;
  /** Tools as the client gave them. */
  readonly tools?: readonly unknown[];
}

/** Around everything that did not come from the template. Noncharacters: no text in interchange has them. */
const open = '\uFDD0';
const close = '\uFDD1';
/** What templates print in the place of an image. */
const mediaMarks = /<image>|<start_of_image>|<\|image_pad\|>|<image_soft_token>/g;

/** Turns of Gemma. https://ai.google.dev/gemma/docs/core/prompt-structure */
const gemmaTemplate =
  '{{ bos_token }}{% for message in messages %}<start_of_turn>' +
  "{{ 'model' if message['role'] == 'assistant' else 'user' }}\n{{ message['content'] | trim }}<end_of_turn>\n" +
  '{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}';

/** Turns of ChatML. */
const chatMlTemplate =
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}" +
  '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

/** A conversation as it stands in books and on pages, for a model that knows no turns. */
const plainTemplate =
  "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}: " +
  "{{ message['content'] | trim }}\n\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

/** Turns for files that carry no template, by the token that opens one. */
const turns = { '<start_of_turn>': gemmaTemplate, '<|im_start|>': chatMlTemplate };

/** Messages to the prompt that a model was tuned on, by the Jinja template of its file. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #takesParts: boolean;
  /** True when the template describes tools to the model by itself. */
  readonly takesTools: boolean;
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string };

  /** @throws model_file_invalid when the template cannot be parsed */
  constructor(source: string, tokens: { readonly bosToken: string; readonly eosToken: string }) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new TercetError('model_file_invalid', { reason: 'the chat template cannot be parsed' }, { cause });
    }
    this.#takesParts = /\[\s*['"]type['"]\s*\]|\.type\b/.test(source);
    this.takesTools = /\btools\b/.test(source);
    this.#tokens = { bos_token: tokens.bosToken, eos_token: tokens.eosToken };
  }

  /** True when the template has a place for images. */
  get takesMedia(): boolean {
    return this.#takesParts;
  }

  /**
   * Segments in order; the media ones stand for the media parts of all messages, in order.
   * @throws template_failed when the template refuses these messages, feature_unsupported for media without a place
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): PromptSegment[] {
    const mediaCount = messages.flatMap(({ parts }) => parts).filter(({ kind }) => kind === 'media').length;
    if (mediaCount > 0 && !this.#takesParts) throw new TercetError('feature_unsupported', { feature: 'images' });
    const items = {
      ...this.#tokens,
      messages: messages.map((message) => this.#item(message)),
      add_generation_prompt: options.addGenerationPrompt,
      ...(options.tools === undefined ? {} : { tools: options.tools }),
    };
    const segments = segmentsOf(this.#print(items));
    const places = segments.filter(({ kind }) => kind === 'media').length;
    if (places !== mediaCount) throw new TercetError('template_failed', { images: mediaCount, places });
    return segments;
  }

  #print(items: Record<string, unknown>): string {
    try {
      return this.#template.render(items);
    } catch (cause) {
      throw new TercetError('template_failed', { reason: (cause as Error).message }, { cause });
    }
  }

  #item({ role, parts, toolCalls, toolCallId, name }: ChatMessage): Record<string, unknown> {
    const listed = parts.map((part) =>
      part.kind === 'text' ? { type: 'text', text: marked(part.text) } : { type: 'image' },
    );
    const text = parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
    const calls = toolCalls?.map(({ id, name: tool, arguments: json }) => ({
      id,
      type: 'function',
      function: { name: marked(tool), arguments: marked(json) },
    }));
    return {
      role: role === 'developer' ? 'system' : role,
      content: this.#takesParts ? listed : marked(text),
      ...(calls === undefined ? {} : { tool_calls: calls }),
      ...(toolCallId === undefined ? {} : { tool_call_id: marked(toolCallId) }),
      ...(name === undefined ? {} : { name: marked(name) }),
    };
  }
}

/**
 * The template of a model file. Where it carries none, as base models do: turns that its vocabulary has tokens for,
 * else plain lines, `User: …` and `Assistant:`.
 * @throws model_file_invalid
 */
export function chatTemplateOf(gguf: Gguf): ChatTemplate {
  const tokens = gguf.requireArray('tokenizer.ggml.tokens');
  const tokenText = (key: string) => {
    const id = gguf.metadata.get(`tokenizer.ggml.${key}_token_id`);
    return typeof id === 'number' ? String(tokens[id] ?? '') : '';
  };
  const known = Object.entries(turns).find(([token]) => tokens.includes(token));
  const source = gguf.stringOr('tokenizer.chat_template', known?.[1] ?? plainTemplate);
  return new ChatTemplate(source, { bosToken: tokenText('bos'), eosToken: tokenText('eos') });
}

/** White space stays outside the marks, where a template that trims finds it. */
function marked(text: string): string {
  const clean = text.replaceAll(open, '\uFFFD').replaceAll(close, '\uFFFD');
  const core = clean.trim();
  if (core === '') return clean;
  const from = clean.indexOf(core);
  return `${clean.slice(0, from)}${open}${core}${close}${clean.slice(from + core.length)}`;
}

function segmentsOf(printed: string): PromptSegment[] {
  const segments: PromptSegment[] = [];
  let mediaIndex = 0;
  const addText = (text: string, trusted: boolean) => {
    if (text !== '') segments.push({ kind: 'text', text, trusted });
  };
  for (const [index, part] of printed.split(open).entries()) {
    const [first = '', second] = part.split(close);
    if (index > 0) addText(first, false);
    const template = index > 0 ? (second ?? '') : first;
    let from = 0;
    for (const match of template.matchAll(mediaMarks)) {
      addText(template.slice(from, match.index), true);
      segments.push({ kind: 'media', index: mediaIndex++ });
      from = match.index + match[0].length;
    }
    addText(template.slice(from), true);
  }
  return segments;
}
