import { describe, expect, test } from '@jest/globals';
import type { AnswerEvent } from '../pipeline/request.js';
import { mergeAnswers } from './merge-answers.js';

const token = (text: string): AnswerEvent => ({ kind: 'token', text, token: { tokenId: 1, topLogprobs: [] } });

class Source {
  closed = false;

  async *answer(texts: readonly string[], failure?: Error): AsyncGenerator<AnswerEvent> {
    try {
      for (const text of texts) {
        await new Promise((resolve) => setImmediate(resolve));
        yield token(text);
      }
      if (failure !== undefined) throw failure;
    } finally {
      this.closed = true;
    }
  }
}

describe('mergeAnswers', () => {
  test('the events of each answer stay in order, and each names its choice', async () => {
    const sources = [new Source(), new Source(), new Source()];
    const texts = [['a', 'b', 'c'], [], ['x']];
    const seen = new Map<number, string[]>();
    for await (const { index, event } of mergeAnswers(sources.map((source, i) => source.answer(texts[i] ?? [])))) {
      seen.set(index, [...(seen.get(index) ?? []), event.kind === 'token' ? event.text : '']);
    }
    expect([seen.get(0), seen.get(1), seen.get(2)]).toEqual([['a', 'b', 'c'], undefined, ['x']]);
    expect(sources.every(({ closed }) => closed)).toBe(true);
  });

  test('a failure of one ends and closes all', async () => {
    const sources = [new Source(), new Source()];
    const many = Array.from({ length: 1000 }, String);
    const merged = mergeAnswers([
      (sources[0] as Source).answer(many),
      (sources[1] as Source).answer(['x'], new Error('broken')),
    ]);
    const reading = (async () => {
      for await (const _ of merged);
    })();
    await expect(reading).rejects.toThrow('broken');
    expect(sources.every(({ closed }) => closed)).toBe(true);
  });

  test('a reader that leaves closes all', async () => {
    const sources = [new Source(), new Source()];
    for await (const _ of mergeAnswers(sources.map((source) => source.answer(['a', 'b', 'c'])))) break;
    expect(sources.every(({ closed }) => closed)).toBe(true);
  });
});
