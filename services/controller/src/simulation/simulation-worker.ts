// Thread of the simulation: one question after the other, each for as long as it takes.
import { parentPort } from 'node:worker_threads';
import { attainmentAt, type Proposal, propose } from '@tercet/allocation';
import type { Answer, Asked, Question } from './protocol.js';

parentPort?.on('message', ({ id, question }: Asked) => {
  parentPort?.postMessage({ id, result: answerTo(question) } satisfies Answer);
});

function answerTo(question: Question): Proposal | number {
  switch (question.kind) {
    case 'propose':
      return propose(question.input);
    case 'attainment':
      return attainmentAt(question.work, question.split, 1);
    default:
      return question satisfies never;
  }
}
