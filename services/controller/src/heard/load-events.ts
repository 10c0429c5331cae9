import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { Controller } from '@tercet/controller-core';
import type { EventLog, StoredEvent } from '@tercet/event-log';
import type { Log } from '@tercet/telemetry';
import { hearOutcomes, hearWork } from './hear-load.js';
import { ProducerClocks } from './producer-clocks.js';

export interface LoadEventsOptions {
  readonly events: EventLog | undefined;
  readonly model: string;
  readonly controller: Pick<Controller, 'heardWork' | 'heardOutcome'>;
  /** Whether a pod is one of this pool. */
  isOurs(podId: string): boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Until a log that did not answer is asked again. */
const againMs = 1000;

/** Hears topic `load`: the steps of the pods and the requests that ended at the gateways, of its own pool. */
export class LoadEvents implements AsyncDisposable {
  readonly #options: LoadEventsOptions;
  readonly #clocks = new ProducerClocks();
  readonly #stop = new AbortController();
  readonly #listening: Promise<void>;

  constructor(options: LoadEventsOptions) {
    this.#options = options;
    this.#listening = options.events === undefined ? Promise.resolve() : this.#listen(options.events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#listening;
  }

  async #listen(events: EventLog): Promise<void> {
    const { model, log } = this.#options;
    const { signal } = this.#stop;
    let isDeaf = false;
    const onEvent = async (event: StoredEvent) => {
      if (isDeaf) log.info('controller.hears_again');
      isDeaf = false;
      this.#hear(event);
    };
    while (!signal.aborted) {
      try {
        await events.subscribe({ topics: ['load'], group: `controller-${model}`, from: 'latest', onEvent }, signal);
      } catch (error) {
        if (!(error instanceof TercetError)) throw error;
        if (!isDeaf) log.error('controller.hears_nothing', { error });
        isDeaf = true;
        await sleep(againMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #hear({ event }: StoredEvent): void {
    const { model, controller, isOurs, clock } = this.#options;
    const behindMs = this.#clocks.behindMs(event.producerId, Number(event.unixMs), clock.unixMs());
    if (behindMs === undefined) return;
    const { body } = event;
    if (body?.$case === 'load' && isOurs(body.value.podId)) hearWork(body.value, controller);
    if (body?.$case === 'outcomes' && body.value.model === model) hearOutcomes(body.value, behindMs, controller);
  }
}
