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

  /** Told at each change of state, and about once a second in between; of its end tells {@link ended}. */
  progress(job: Job): void {
    const { id, state } = job;
    const ms = this.#options.clock.nowMs();
    const last = this.#told.get(id);
    if (isFinal(job)) this.#told.delete(id);
    if (isFinal(job) || (last?.state === state && ms - last.ms < progressEveryMs)) return;
    this.#remember(id, { state, ms });
    this.#publish('results', id, progressOf(job));
  }

  /**
   * Tells of jobs that are over.
   * @returns those of which the log has it, in so far as it says so before the signal aborts
   */
  async ended(jobs: readonly Job[], signal: AbortSignal): Promise<string[]> {
    const { events } = this.#options;
    const kept: string[] = [];
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    const telling = jobs.map(async (job) => {
      await events.publish('results', { key: job.id, body: progressOf(job) });
      kept.push(job.id);
    });
    await Promise.race([Promise.allSettled(telling), aborted]);
    return kept;
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

function progressOf({ id, state, counts }: Job): EventBody {
  const { total: linesTotal, completed: linesCompleted, failed: linesFailed } = counts;
  return { $case: 'jobProgress', value: { jobId: id, state, linesTotal, linesCompleted, linesFailed } };
}
