import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import { type ChatMessage, type ChatTemplate, ToolCallParser, type ToolEvent } from '@tercet/text';
import { z } from 'zod';
import type { PromptSource } from '../pipeline/request.js';

const Tool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().nullish(),
  }),
});

const NamedTool = z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string() }) });

/** Fields of a chat request that concern tools. */
export const toolFields = {
  tools: z.array(Tool).min(1).max(128).nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), NamedTool]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
};

export type ToolBody = { readonly [Field in keyof typeof toolFields]?: z.infer<(typeof toolFields)[Field]> };

/** How an answer uses tools. `forced`: it is one call, which a grammar holds to a tool's schema. */
export interface ToolUse {
  readonly mode: 'forced' | 'tagged';
  /** JSON schema of the call; empty where the model decides for itself. */
  readonly grammar: string;
  /** For a template that has a place for tools. */
  readonly tools?: readonly unknown[];
  /** Where the template has none: what the model is told. */
  readonly instruction?: ChatMessage;
}

/** The prompt of a chat, which says what may be called. */
export function chatPrompt(messages: readonly ChatMessage[], toolUse: ToolUse | undefined): PromptSource {
  const told = toolUse?.instruction === undefined ? messages : [toolUse.instruction, ...messages];
  return { kind: 'chat', messages: told, ...(toolUse?.tools === undefined ? {} : { tools: toolUse.tools }) };
}

/** The one grammar of an answer. @throws invalid_request when it would have to be a call and something else */
export function answerGrammar(grammar: string, toolUse: ToolUse | undefined): string {
  if (grammar !== '' && toolUse?.mode === 'forced') {
    throw new TercetError('invalid_request', { param: 'response_format', reason: 'the answer is a tool call' });
  }
  return toolUse?.grammar || grammar;
}

/** @returns undefined when no tool may be called. @throws invalid_request for a tool that is not there */
export function toolUseOf(body: ToolBody, template: Pick<ChatTemplate, 'takesTools'>): ToolUse | undefined {
  const choice = body.tool_choice ?? 'auto';
  const tools = body.tools ?? [];
  if (tools.length === 0 && choice !== 'none' && choice !== 'auto') {
    throw new TercetError('invalid_request', { param: 'tool_choice', reason: 'there are no tools' });
  }
  if (tools.length === 0 || choice === 'none') return undefined;
  const allowed =
    typeof choice === 'object' ? tools.filter((tool) => tool.function.name === choice.function.name) : tools;
  if (allowed.length === 0) throw new TercetError('invalid_request', { param: 'tool_choice', reason: 'no such tool' });
  const told = template.takesTools ? { tools: allowed } : { instruction: instructionOf(allowed) };
  if (choice === 'auto') return { mode: 'tagged', grammar: '', ...told };
  return { mode: 'forced', grammar: JSON.stringify(callSchema(allowed)), ...told };
}

/** Parts of one index make one call; the first has its id and name. */
export interface CallPart {
  readonly index: number;
  readonly id?: string;
  readonly name?: string;
  readonly arguments: string;
}

/** The text of one answer, with the calls in it told apart. */
export class ToolAnswer {
  readonly #parser: ToolCallParser;
  readonly #ids: string[] = [];

  constructor(mode: ToolUse['mode']) {
    this.#parser = new ToolCallParser(mode);
  }

  get hasCalls(): boolean {
    return this.#parser.callCount > 0;
  }

  /** What is certain after this piece of text: words, and parts of calls. */
  take(text: string, isLast: boolean): { readonly text: string; readonly calls: readonly CallPart[] } {
    const events = [...this.#parser.push(text), ...(isLast ? this.#parser.end() : [])];
    return {
      text: events.map((event) => (event.kind === 'text' ? event.text : '')).join(''),
      calls: events.flatMap((event) => this.#partOf(event)),
    };
  }

  /** The `delta` of a chunk for this piece of text; `undefined` when nothing is certain yet. */
  delta(text: string, isLast: boolean): object | undefined {
    const { text: content, calls } = this.take(text, isLast);
    if (content === '' && calls.length === 0) return undefined;
    const tool_calls = calls.map((call) => {
      if (call.name === undefined) return { index: call.index, function: { arguments: call.arguments } };
      const { index, id, name } = call;
      return { index, id, type: 'function', function: { name, arguments: call.arguments } };
    });
    return { ...(content === '' ? {} : { content }), ...(calls.length === 0 ? {} : { tool_calls }) };
  }

  /** The `message` of a whole answer. */
  message(text: string): object {
    const calls: { id: string | undefined; type: string; function: { name: string; arguments: string } }[] = [];
    const { text: content, calls: parts } = this.take(text, true);
    for (const { index, id, name, arguments: json } of parts) {
      calls[index] ??= { id, type: 'function', function: { name: name ?? '', arguments: '' } };
      calls[index].function.arguments += json;
    }
    const said = content.trim() === '' && calls.length > 0 ? null : content;
    return { role: 'assistant', content: said, refusal: null, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  }

  #partOf(event: ToolEvent): CallPart[] {
    if (event.kind === 'text') return [];
    const { index } = event;
    if (event.kind === 'call') return [{ index, id: this.#idOf(index), name: event.name, arguments: '' }];
    return [{ index, arguments: event.text }];
  }

  #idOf(index: number): string {
    this.#ids[index] ??= `call_${randomUUID()}`;
    return this.#ids[index];
  }
}

/** One {@link ToolAnswer} for each choice of a streamed response, where tools may be called. */
export class ToolAnswers {
  readonly #mode: ToolUse['mode'] | undefined;
  readonly #answers = new Map<number, ToolAnswer>();

  constructor(mode: ToolUse['mode'] | undefined) {
    this.#mode = mode;
  }

  of(index: number): ToolAnswer | undefined {
    if (this.#mode === undefined) return undefined;
    const answer = this.#answers.get(index) ?? new ToolAnswer(this.#mode);
    this.#answers.set(index, answer);
    return answer;
  }
}

type ToolShape = z.infer<typeof Tool>;

function callSchema(tools: readonly ToolShape[]): object {
  const one = ({ function: { name, parameters } }: ToolShape) => ({
    type: 'object',
    properties: { name: { const: name }, arguments: parameters ?? { type: 'object' } },
    required: ['name', 'arguments'],
    additionalProperties: false,
  });
  return tools.length === 1 ? one(tools[0] as ToolShape) : { anyOf: tools.map(one) };
}

function instructionOf(tools: readonly ToolShape[]): ChatMessage {
  const list = tools.map((tool) => JSON.stringify(tool.function)).join('\n');
  const how = '<tool_call>{"name": NAME, "arguments": {…}}</tool_call>';
  const text = `You may call these functions, one JSON schema a line:\n${list}\nTo call one, answer with ${how}.`;
  return { role: 'system', parts: [{ kind: 'text', text }] };
}
