import { type EventLog, FactWriter } from '@tercet/event-log';
import type { Log } from '@tercet/telemetry';
import type { WorkerControl } from './worker-control.js';

export interface LoadReportsOptions {
  /** Where the process has one. */
  readonly events: EventLog | undefined;
  readonly control: WorkerControl;
  readonly podId: string;
  readonly log: Log;
}

const intervalMs = 1000;

/** Tells the event log once a second how busy this process is and what its steps were. No request waits for it. */
export class LoadReports implements AsyncDisposable {
  readonly #events: EventLog | undefined;
  readonly #stop = new AbortController();
  readonly #writing: Promise<void>;

  constructor({ events, control, podId, log }: LoadReportsOptions) {
    this.#events = events;
    this.#writing = events === undefined ? Promise.resolve() : this.#write(events, { control, podId, log });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    await this.#events?.[Symbol.asyncDispose]();
  }

  async #write(events: EventLog, { control, podId, log }: Omit<LoadReportsOptions, 'events'>): Promise<void> {
    const facts = new FactWriter(events, (failure) => {
      if (failure === undefined) log.info('events.back');
      else log.error('events.refused', { error: failure });
    });
    for await (const value of control.watchLoad({ intervalMs }, this.#stop.signal)) {
      facts.write('load', { key: podId, body: { $case: 'load', value } });
    }
  }
}
