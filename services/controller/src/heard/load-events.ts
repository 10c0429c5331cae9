import type { Clock } from '@tercet/base';
import type { wire } from '@tercet/contracts';
import type { Controller, Outcome } from '@tercet/controller-core';
import type { StoredEvent } from '@tercet/event-log';

export interface LoadEventsOptions {
  readonly model: string;
  readonly controller: Pick<Controller, 'heardWork' | 'heardOutcome'>;
  /** Whether a pod is one of this pool. */
  isOurs(podId: string): boolean;
  readonly clock: Clock;
}

/** What was said while nobody listened is over: it says nothing about the load of now. */
const staleMs = 30_000;

/** Hears topic `load`: the steps of the pods and the requests that ended at the gateways, of its own pool. */
export class LoadEvents {
  readonly #options: LoadEventsOptions;

  constructor(options: LoadEventsOptions) {
    this.#options = options;
  }

  hear({ event }: Pick<StoredEvent, 'event'>): void {
    const { model, controller, isOurs, clock } = this.#options;
    if (clock.unixMs() - Number(event.unixMs) > staleMs) return;
    const { body } = event;
    if (body?.$case === 'load' && isOurs(body.value.podId)) {
      for (const sample of body.value.work) hearWork(sample, controller);
    }
    if (body?.$case === 'outcomes' && body.value.model === model) {
      for (const outcome of body.value.outcomes) controller.heardOutcome(outcomeOf(outcome));
    }
  }
}

function hearWork({ step, ms }: wire.WorkSample, controller: Pick<Controller, 'heardWork'>): void {
  if (step === undefined) return;
  controller.heardWork(step.$case, featuresOf(step), ms);
}

/** As the cost model has them. */
function featuresOf(step: NonNullable<wire.WorkSample['step']>): number[] {
  switch (step.$case) {
    case 'encode':
      return [1, step.value.patches];
    case 'prefill':
      return [1, step.value.tokens, step.value.squares];
    case 'decode':
      return [1, step.value.contextTokens, step.value.batch];
    default:
      return step satisfies never;
  }
}

function outcomeOf(said: wire.RequestOutcome): Outcome {
  const { images, patches, promptTokens, cachedTokens, outputTokens, ttftMs, tpotMs } = said;
  // One that failed before its first token asked for that token all the same.
  const request = { images, patches, promptTokens, cachedTokens, outputTokens: Math.max(1, outputTokens) };
  const isKnown = promptTokens > 0 && cachedTokens < promptTokens;
  return { arrivalMs: Number(said.arrivalUnixMs), request: isKnown ? request : undefined, ttftMs, tpotMs };
}
