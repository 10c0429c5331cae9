import type { Clock } from '@tercet/base';
import { TercetError, type wire } from '@tercet/contracts';
import type { Demand } from '@tercet/controller-core';

/** A gateway that was not heard for so long has nothing to do, or is gone. */
const heardMs = 10_000;
const gatewaysMax = 256;
const modelsMax = 1000;

interface Told {
  readonly heardMs: number;
  readonly demand: readonly wire.ModelDemand[];
}

/**
 * What the gateways have to do, as they told. Every controller hears it, whether it leads or not: one that leads from
 * now on knows how long there was no request. When this process began there was one, for all that is known.
 */
export class DemandBook {
  readonly #clock: Clock;
  readonly #told = new Map<string, Told>();
  /** When a model last had a request, whichever gateway told of it. */
  readonly #lastMs = new Map<string, number>();
  readonly #beganMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.nowMs();
  }

  /** @throws invalid_request, overloaded when more gateways or models are told of than there can be */
  report({ gatewayId, demand }: wire.ReportDemandRequest): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, told] of this.#told) if (nowMs - told.heardMs > heardMs) this.#told.delete(id);
    const models = new Set([...this.#lastMs.keys(), ...demand.map(({ model }) => model)]);
    if (models.size > modelsMax) throw new TercetError('overloaded', { modelsMax });
    if (this.#told.size >= gatewaysMax && !this.#told.has(gatewayId)) {
      throw new TercetError('overloaded', { gatewaysMax });
    }
    for (const { model, idleMs } of demand) {
      if (!(idleMs >= 0)) throw new TercetError('invalid_request', { gatewayId, model, idleMs });
      this.#lastMs.set(model, Math.max(this.#lastMs.get(model) ?? this.#beganMs, nowMs - idleMs));
    }
    this.#told.set(gatewayId, { heardMs: nowMs, demand });
  }

  /** Of the gateways that are heard; `undefined` when none is. */
  of(model: string): Demand | undefined {
    const nowMs = this.#clock.nowMs();
    const heard = [...this.#told.values()].filter((told) => nowMs - told.heardMs <= heardMs);
    if (heard.length === 0) return undefined;
    const told = heard.flatMap(({ demand }) => demand.filter((each) => each.model === model));
    const sumOf = (count: (each: wire.ModelDemand) => number) => told.reduce((sum, each) => sum + count(each), 0);
    const idleMs = nowMs - (this.#lastMs.get(model) ?? this.#beganMs);
    return { running: sumOf(({ running }) => running), held: sumOf(({ held }) => held), idleMs };
  }
}
