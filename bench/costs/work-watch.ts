import type { StageName } from '@tercet/allocation';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';

/** A step as the cost formulas see it. */
export interface Step {
  readonly stage: StageName;
  /** `[1, patches]`, `[1, Σn, Σn²]` or `[1, Σcontext, batch]`. */
  readonly features: readonly number[];
  readonly ms: number;
}

const intervalMs = 50;

/** Gathers what stage processes report of their steps. */
export class WorkWatch implements AsyncDisposable {
  readonly #channels: readonly GrpcChannel[];
  readonly #stop = new AbortController();
  readonly #heard: Promise<unknown>;
  #steps: Step[] = [];

  constructor(endpoints: readonly string[]) {
    this.#channels = endpoints.map((endpoint) => GrpcChannel.open(endpoint));
    this.#heard = Promise.allSettled(this.#channels.map((channel) => this.#watch(channel)));
  }

  /** The steps since the last time, in no order between processes. */
  take(): Step[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#heard;
    for (const channel of this.#channels) channel.close();
  }

  async #watch(channel: GrpcChannel): Promise<void> {
    const { signal } = this.#stop;
    const reports = channel.client(wire.WorkerDefinition).watchLoad({ intervalMs }, { signal });
    for await (const { work } of reports) this.#steps.push(...work.flatMap(stepOf));
  }
}

function stepOf({ step, ms }: wire.WorkSample): Step[] {
  switch (step?.$case) {
    case 'encode':
      return [{ stage: 'encode', features: [1, step.value.patches], ms }];
    case 'prefill':
      return [{ stage: 'prefill', features: [1, step.value.tokens, step.value.squares], ms }];
    case 'decode':
      return [{ stage: 'decode', features: [1, step.value.contextTokens, step.value.batch], ms }];
    case undefined:
      return [];
    default:
      return step satisfies never;
  }
}
