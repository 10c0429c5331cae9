import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';

const reportMs = 1000;
/** Until a pod that went away is asked again. */
const againMs = 1000;

/** Listens to what the pods do, for as long as they are there. */
export class WorkWatch implements Disposable {
  readonly #channels: readonly GrpcChannel[];
  readonly #stop = new AbortController();

  constructor(endpoints: readonly string[], onReport: (report: wire.LoadReport) => void) {
    this.#channels = endpoints.map((endpoint) => GrpcChannel.open(endpoint));
    for (const channel of this.#channels) void this.#watch(channel, onReport);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const channel of this.#channels) channel.close();
  }

  async #watch(channel: GrpcChannel, onReport: (report: wire.LoadReport) => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const reports = channel.client(wire.WorkerDefinition).watchLoad({ intervalMs: reportMs }, { signal });
        for await (const report of reports) onReport(report);
      } catch (error) {
        if (!(error instanceof TercetError)) throw error;
      }
      await sleep(againMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
