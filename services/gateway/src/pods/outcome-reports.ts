import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';

export interface OutcomeReportsOptions {
  readonly gatewayId: string;
  /** gRPC endpoints of the controllers. */
  readonly endpoints: readonly string[];
  readonly everyMs: number;
}

/** Requests of one model that are remembered until they are told; beyond that the oldest are forgotten. */
const outcomesMax = 4096;
const answerTimeoutMs = 2000;

/**
 * Tells the controllers, now and then, which requests ended and what their clients saw. No request waits for that; what
 * a controller that is away does not hear is soon too old to matter.
 */
export class OutcomeReports implements Disposable {
  readonly #options: OutcomeReportsOptions;
  readonly #channels: readonly GrpcChannel[];
  readonly #ended = new Map<string, wire.RequestOutcome[]>();
  readonly #stop = new AbortController();

  constructor(options: OutcomeReportsOptions) {
    this.#options = options;
    this.#channels = options.endpoints.map((endpoint) => GrpcChannel.open(endpoint));
    if (this.#channels.length > 0) void this.#tell();
  }

  add(model: string, outcome: wire.RequestOutcome): void {
    if (this.#channels.length === 0) return;
    const ended = this.#ended.get(model) ?? [];
    if (ended.length >= outcomesMax) ended.shift();
    ended.push(outcome);
    this.#ended.set(model, ended);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const channel of this.#channels) channel.close();
  }

  async #tell(): Promise<void> {
    const { gatewayId, everyMs } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      for (const [model, outcomes] of this.#ended) {
        this.#ended.delete(model);
        const report = { gatewayId, model, outcomes, arrivals: outcomes.length };
        await Promise.all(this.#channels.map((channel) => this.#send(channel, report)));
      }
    }
  }

  async #send(channel: GrpcChannel, report: wire.OutcomesReport): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(answerTimeoutMs)]);
    try {
      await channel.client(wire.ControllerDefinition).reportOutcomes(report, { signal });
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
    }
  }
}
