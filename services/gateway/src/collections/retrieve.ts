import { TercetError } from '@tercet/contracts';
import type { ChatMessage } from '@tercet/text';
import type { AskedBy, Collections } from './collections.js';
import type { RetrievalBody } from './retrieval-body.js';

/** A passage that stands in the prompt, under this number. */
export interface Citation {
  readonly number: number;
  readonly id: string;
  readonly score: number;
  readonly text: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface Retrieved {
  readonly messages: ChatMessage[];
  readonly citations: readonly Citation[];
}

/**
 * Puts what a collection has on a question before the last user message, numbered, so that an answer can say where it
 * has something from. Where nothing is found the messages stay as they are.
 * @throws invalid_request, and whatever the search does
 */
export async function retrieve(
  collections: Pick<Collections, 'passages'>,
  { retrieval, messages }: { readonly retrieval: RetrievalBody; readonly messages: ChatMessage[] },
  by: AskedBy,
): Promise<Retrieved> {
  const { collection, ...search } = retrieval;
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const query = search.query ?? textOf(messages[last]);
  if (last < 0 || query.trim() === '') {
    throw new TercetError('invalid_request', { param: 'retrieval.query', reason: 'no user message says anything' });
  }
  const passages = await collections.passages(collection, { ...search, query }, by);
  const citations = passages.map((passage, i) => ({ number: i + 1, ...passage }));
  if (citations.length === 0) return { messages, citations };
  const lines = citations.map(({ number, text }) => `[${number}] ${text}`);
  const passage = { kind: 'text' as const, text: `Passages:\n${lines.join('\n\n')}\n\nQuestion: ` };
  const withPassages = messages.map((message, i) => {
    return i === last ? { ...message, parts: [passage, ...message.parts] } : message;
  });
  return { messages: withPassages, citations };
}

function textOf(message: ChatMessage | undefined): string {
  return (message?.parts ?? []).flatMap((part) => (part.kind === 'text' ? [part.text] : [])).join('\n');
}
