import { timelineOf, timingHeader, usageOf } from './chat-response.js';
import type { Finished } from './collect.js';
import { errorBody } from './error-body.js';
import type { EventStream } from './event-stream.js';
import type { Exchange } from './exchange.js';
import type { ChoiceEvent } from './merge-answers.js';

/** How a route writes the chunks of a streamed response. */
export interface ChunkShape {
  readonly id: string;
  /** Fields that stand in every chunk. */
  readonly envelope: object;
  readonly includeUsage: boolean;
  /** Fields that stand in the first chunk alone. */
  readonly first?: object | undefined;
  /** The choice of a chunk; `undefined` when the event adds nothing to read. */
  choiceOf(event: ChoiceEvent): object | undefined;
}

/**
 * Chunks of all choices as they come, then usage, then `[DONE]`. Headers wait for the first token, so that they can say
 * how long it took; from then on a failure is an event.
 */
export async function streamChoices(
  events: AsyncGenerator<ChoiceEvent>,
  shape: ChunkShape,
  openStream: Exchange['openStream'],
): Promise<void> {
  const { id, envelope, includeUsage } = shape;
  const accepted: ChoiceEvent[] = [];
  const finished: Finished[] = [];
  let out: EventStream | undefined;
  try {
    for await (const choiceEvent of events) {
      const { event } = choiceEvent;
      accepted.push(choiceEvent);
      if (event.kind === 'accepted') continue;
      if (event.kind === 'finished') finished.push(event);
      out ??= openStream({ 'x-request-id': id, ...timingHeader(event) });
      for (const ready of accepted.splice(0)) await out.send(chunkOf(shape, ready));
    }
    const usage = usageOf(finished.map((event) => event.usage));
    if (includeUsage) await out?.send({ ...envelope, choices: [], usage });
    await out?.send('[DONE]');
    out?.end();
  } catch (error) {
    if (out === undefined) throw error;
    await out.send(errorBody(error, id).body);
    out.end();
  }
}

function chunkOf(shape: ChunkShape, choiceEvent: ChoiceEvent): object | undefined {
  const { index, event } = choiceEvent;
  const choice = shape.choiceOf(choiceEvent);
  if (choice === undefined) return undefined;
  const usage = shape.includeUsage ? { usage: null } : {};
  const isFirst = event.kind === 'accepted' && index === 0;
  const tercet = event.kind === 'finished' && index === 0 ? { tercet: timelineOf(event) } : isFirst ? shape.first : {};
  return { ...shape.envelope, choices: [choice], ...usage, ...tercet };
}
