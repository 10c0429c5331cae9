import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import { type ChatMessage, type ChatTemplate, ToolCallParser, type ToolEvent } from '@tercet/text';
import { z } from 'zod';

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

type ToolBody = { readonly [Field in keyof typeof toolFields]?: z.infer<(typeof toolFields)[Field]> };

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

  /** The `delta` of a chunk for this piece of text; `undefined` when nothing is certain yet. */
  delta(text: string, isLast: boolean): object | undefined {
    const events = [...this.#parser.push(text), ...(isLast ? this.#parser.end() : [])];
    if (events.length === 0) return undefined;
    const content = events.map((event) => (event.kind === 'text' ? event.text : '')).join('');
    const calls = events.flatMap((event) => this.#callDelta(event));
    return { ...(content === '' ? {} : { content }), ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  }

  /** The `message` of a whole answer. */
  message(text: string): object {
    const calls: { id: string; type: string; function: { name: string; arguments: string } }[] = [];
    let content = '';
    for (const event of [...this.#parser.push(text), ...this.#parser.end()]) {
      if (event.kind === 'text') content += event.text;
      else if (event.kind === 'call') calls.push(this.#call(event.index, event.name));
      else (calls[event.index] as (typeof calls)[number]).function.arguments += event.text;
    }
    const said = content.trim() === '' && calls.length > 0 ? null : content;
    return { role: 'assistant', content: said, refusal: null, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  }

  #callDelta(event: ToolEvent): object[] {
    if (event.kind === 'text') return [];
    const { index } = event;
    if (event.kind === 'call') return [{ index, ...this.#call(index, event.name) }];
    return [{ index, function: { arguments: event.text } }];
  }

  #call(index: number, name: string) {
    this.#ids[index] ??= `call_${randomUUID()}`;
    return { id: this.#ids[index], type: 'function', function: { name, arguments: '' } };
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
