import { type TercetError, toTercetError } from '@tercet/contracts';
import type { EventLog, NewEvent } from './event-log.js';
import type { TopicName } from './topics.js';

/** Writes facts that nobody waits for, and says when the log begins to refuse them and when it takes them again. */
export class FactWriter {
  readonly #log: EventLog;
  readonly #onChange: (failure: TercetError | undefined) => void;
  #isRefused = false;

  constructor(log: EventLog, onChange: (failure: TercetError | undefined) => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  write(topic: TopicName, event: NewEvent): void {
    this.#log.publish(topic, event).then(
      () => this.#heard(undefined),
      (error) => this.#heard(toTercetError(error)),
    );
  }

  #heard(failure: TercetError | undefined): void {
    if (this.#isRefused === (failure !== undefined)) return;
    this.#isRefused = failure !== undefined;
    this.#onChange(failure);
  }
}
