import { TercetError, type wire } from '@tercet/contracts';
import type { AnswerEvent } from '../pipeline/request.js';
import type { ChoiceEvent } from './merge-answers.js';

export type Finished = Extract<AnswerEvent, { kind: 'finished' }>;

/** One whole answer. */
export interface CollectedChoice {
  readonly text: string;
  readonly tokens: readonly wire.SampledToken[];
  readonly finished: Finished;
}

/** Waits for all answers of a request. @throws empty_answer when one ends without a reason */
export async function collect(events: AsyncIterable<ChoiceEvent>, count: number): Promise<CollectedChoice[]> {
  const choices = Array.from({ length: count }, () => ({
    text: '',
    tokens: [] as wire.SampledToken[],
    finished: undefined as Finished | undefined,
  }));
  for await (const { index, event } of events) {
    const choice = choices[index];
    if (choice === undefined || event.kind === 'accepted') continue;
    choice.text += event.text;
    if (event.kind === 'token') choice.tokens.push(event.token);
    else choice.finished = event;
  }
  return choices.map(({ text, tokens, finished }) => {
    if (finished === undefined) throw new TercetError('empty_answer');
    return { text, tokens, finished };
  });
}
