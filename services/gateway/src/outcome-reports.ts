import type { Clock } from '@tercet/base';
import { wire } from '@tercet/contracts';
import { type EventLog, FactWriter } from '@tercet/event-log';
import type { Log } from '@tercet/telemetry';
import type { AnswerEvent } from './pipeline/request.js';

export interface OutcomeReportsOptions {
  /** Where the process has one. */
  readonly events: EventLog | undefined;
  readonly gatewayId: string;
  /** Names of the models that write; each has reports of its own, also when nothing came. */
  readonly models: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

const intervalMs = 1000;
/** In one report: with more, one is written before its time. */
export const outcomesMax = 1000;

interface Gathered {
  arrivals: number;
  outcomes: wire.RequestOutcome[];
}

/** Tells the event log once a second which requests came and how those that ended were. No request waits for it. */
export class OutcomeReports implements AsyncDisposable {
  readonly #options: OutcomeReportsOptions;
  readonly #facts: FactWriter | undefined;
  readonly #gathered = new Map<string, Gathered>();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(options: OutcomeReportsOptions) {
    this.#options = options;
    const { events, models, log } = options;
    for (const model of models) this.#gathered.set(model, { arrivals: 0, outcomes: [] });
    if (events === undefined) return;
    this.#facts = new FactWriter(events, (failure) => {
      if (failure === undefined) log.info('events.back');
      else log.error('events.refused', { error: failure });
    });
    this.#timer = setInterval(() => this.#reportAll(), intervalMs);
  }

  /** A request that came; it reports by itself when it has ended. */
  arrived(model: string, images: number): ReportedRequest {
    const gathered = this.#gathered.get(model);
    if (gathered !== undefined) gathered.arrivals++;
    return new ReportedRequest(this.#options.clock.unixMs(), images, (outcome) => this.#ended(model, outcome));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#reportAll();
    await this.#options.events?.[Symbol.asyncDispose]();
  }

  #ended(model: string, outcome: wire.RequestOutcome): void {
    const outcomes = this.#gathered.get(model)?.outcomes;
    outcomes?.push(outcome);
    if (outcomes?.length === outcomesMax) this.#report(model);
  }

  #reportAll(): void {
    for (const model of this.#gathered.keys()) this.#report(model);
  }

  #report(model: string): void {
    const { gatewayId } = this.#options;
    const gathered = this.#gathered.get(model);
    this.#gathered.set(model, { arrivals: 0, outcomes: [] });
    const value = wire.OutcomesReport.fromPartial({ gatewayId, model, ...gathered });
    this.#facts?.write('load', { key: gatewayId, body: { $case: 'outcomes', value } });
  }
}

/** One request as its outcome is gathered. */
export class ReportedRequest {
  readonly #outcome: wire.RequestOutcome;
  readonly #onEnd: (outcome: wire.RequestOutcome) => void;

  constructor(arrivalUnixMs: number, images: number, onEnd: (outcome: wire.RequestOutcome) => void) {
    const arrival = { arrivalUnixMs: BigInt(Math.floor(arrivalUnixMs)), images };
    this.#outcome = wire.RequestOutcome.fromPartial(arrival);
    this.#onEnd = onEnd;
  }

  saw(event: AnswerEvent): void {
    const outcome = this.#outcome;
    if (event.kind === 'accepted') {
      outcome.promptTokens = event.promptTokens;
      outcome.patches = event.patches;
    } else if (event.kind === 'token') outcome.outputTokens++;
    else {
      const { usage, timeline } = event;
      outcome.cachedTokens = usage.cachedTokens;
      outcome.outputTokens = usage.completionTokens;
      outcome.ttftMs = timeline.ttftMs;
      if (usage.completionTokens > 1) {
        outcome.tpotMs = (timeline.handoverMs + timeline.decodeMs) / (usage.completionTokens - 1);
      }
    }
  }

  /** @param ended `ok`, or the error code */
  ended(ended: string): void {
    this.#onEnd({ ...this.#outcome, ended });
  }
}
