import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { toTercetError } from '@tercet/contracts';
import type { EventBody, EventLog, TopicName } from '@tercet/event-log';
import { isFinal, type Job } from '@tercet/jobs';
import type { Log } from '@tercet/telemetry';

export interface JobEventsOptions {
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Between two tries to listen to a log that does not answer. */
  readonly listenAgainMs?: number;
}

/** The gateways share what is announced: one of them hears of it, the others see it when they look. */
const group = 'tercet-gateway-batches';
const progressEveryMs = 1000;
const defaultListenAgainMs = 5000;
/** Jobs whose last report is remembered. One that is forgotten is told once more than it need be. */
const rememberedMax = 2000;

/**
 * Tells the event log of jobs and how far they are, and hears of those that others announced. The store alone says what
 * is true: an event that is lost costs a poll's time.
 */
export class JobEvents {
  readonly #options: JobEventsOptions;
  /** What was told last of jobs that are not over; the one told longest ago comes first. */
  readonly #told = new Map<string, { readonly state: Job['state']; readonly ms: number }>();

  constructor(options: JobEventsOptions) {
    this.#options = options;
  }

  announce({ id, tenant }: Job): void {
    this.#publish('jobs', id, { $case: 'job', value: { jobId: id, tenant } });
  }

  /** Told at each change of state, and about once a second in between. */
  progress(job: Job): void {
    const { id, state, counts } = job;
    const ms = this.#options.clock.nowMs();
    const last = this.#told.get(id);
    if (last?.state === state && ms - last.ms < progressEveryMs) return;
    if (isFinal(job)) this.#told.delete(id);
    else this.#remember(id, { state, ms });
    const { total: linesTotal, completed: linesCompleted, failed: linesFailed } = counts;
    const value = { jobId: id, state, linesTotal, linesCompleted, linesFailed };
    this.#publish('results', id, { $case: 'jobProgress', value });
  }

  /** Calls back for each job that is announced, until the signal. A log that does not answer is asked again. */
  async listen(onJob: () => void, signal: AbortSignal): Promise<void> {
    const { events, log, listenAgainMs = defaultListenAgainMs } = this.#options;
    const onEvent = async () => onJob();
    for (let isDeaf = false; !signal.aborted; ) {
      try {
        await events.subscribe({ topics: ['jobs'], group, from: 'latest', onEvent }, signal);
      } catch (error) {
        if (!isDeaf) log.info('batches.deaf', { failure: toTercetError(error) });
        isDeaf = true;
        await sleep(listenAgainMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #remember(id: string, told: { readonly state: Job['state']; readonly ms: number }): void {
    this.#told.delete(id);
    this.#told.set(id, told);
    const [oldest] = this.#told.keys();
    if (this.#told.size > rememberedMax && oldest !== undefined) this.#told.delete(oldest);
  }

  #publish(topic: TopicName, key: string, body: EventBody): void {
    const { events, log } = this.#options;
    events.publish(topic, { key, body }).catch((error: unknown) => {
      log.info('batches.untold', { batch: key, topic, failure: toTercetError(error) });
    });
  }
}
