import type { AnswerEvent } from '../pipeline/request.js';

export interface ChoiceEvent {
  readonly index: number;
  readonly event: AnswerEvent;
}

/** The events of several answers as they come; a failure of one ends all. */
export async function* mergeAnswers(answers: readonly AsyncGenerator<AnswerEvent>[]): AsyncGenerator<ChoiceEvent> {
  type Step = { index: number; result: IteratorResult<AnswerEvent> };
  const next = async (index: number): Promise<Step> => ({
    index,
    result: await (answers[index] as AsyncGenerator<AnswerEvent>).next(),
  });
  const pending = new Map<number, Promise<Step>>(answers.map((_, index) => [index, next(index)]));
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      if (result.done === true) {
        pending.delete(index);
        continue;
      }
      yield { index, event: result.value };
      pending.set(index, next(index));
    }
  } finally {
    for (const step of pending.values()) step.catch(() => undefined);
    await Promise.allSettled(answers.map((answer) => answer.return(undefined)));
  }
}
