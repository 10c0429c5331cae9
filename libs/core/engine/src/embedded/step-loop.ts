import { type TercetError, toTercetError } from '@tercet/contracts';
import { applyStep, planStep, type StepPlan, spentTokens } from '@tercet/scheduler';
import type { WorkLog } from '../work-log.js';
import { admitPlanned } from './admit.js';
import { computePlan } from './compute.js';
import type { CoreGrant } from './options.js';
import { publishStep } from './publish.js';
import { stepWorkOf } from './step-work.js';
import { type StepSize, ThreadTuner } from './thread-tuner.js';
import { holdOf, type WorkTable } from './work-table.js';

/** Mean of step times: the weight of the newest step, and more while there are few. */
const meanWeight = 0.05;

/** Plans a step, runs it on the backend, publishes, again; sleeps while there is nothing to do. */
export class StepLoop {
  readonly #table: WorkTable;
  readonly #log: WorkLog;
  readonly #tuner = new ThreadTuner();
  #stepMsMean = 0;
  #stepsTimed = 0;
  #stopped = false;
  #finished: Promise<void> | undefined;

  constructor(table: WorkTable, log: WorkLog) {
    this.#table = table;
    this.#log = log;
  }

  /** Mean duration of the latest steps, recent ones weighing more. */
  get stepMsMean(): number {
    return this.#stepMsMean;
  }

  start(): void {
    this.#finished = this.#run();
  }

  /** Fails what is left and ends the loop after the running step. */
  async stop(error: TercetError): Promise<void> {
    const table = this.#table;
    table.refuse(error);
    this.#stopped = true;
    for (const work of [...table.works.values()]) table.fail(work, error);
    table.wake();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const table = this.#table;
    while (!this.#stopped) {
      const planned = planStep(table.stateWithRoom(), table.options.limits);
      if (planned.kind === 'idle') await table.changed();
      else await this.#step(planned);
    }
  }

  /** One step. The plan is made again once cores are granted, because requests came and went meanwhile. */
  async #step(planned: StepPlan): Promise<void> {
    const plannedMs = this.#table.options.clock.nowMs();
    const grant = await this.#acquire(planned);
    if (grant === undefined) return;
    try {
      await this.#compute(grant, plannedMs);
    } finally {
      grant.release();
    }
  }

  /**
   * The state moves on when the step begins: work that comes or goes while it runs then finds the state of the next
   * plan, and nothing has to be merged afterwards.
   */
  async #compute(grant: CoreGrant, plannedMs: number): Promise<void> {
    const table = this.#table;
    const { clock, limits } = table.options;
    const planned = planStep(table.stateWithRoom(), limits);
    if (planned.kind === 'idle') return;
    const { plan, copies } = planned.kind === 'tokens' ? admitPlanned(table, planned) : { plan: planned, copies: [] };
    table.state = applyStep(table.state, plan);
    const works = table.worksOf(plan);
    if (works.length === 0) return;
    const holds = works.map(holdOf).filter((hold) => hold !== undefined);
    for (const hold of holds) table.takeHold(hold);
    const signal = table.beginStep(works);
    const work = stepWorkOf(table, plan);
    const startMs = clock.nowMs();
    const { threads } = grant;
    const computed = await computePlan(table, { plan, copies, threads, signal });
    grant.release();
    table.beginStep([]);
    const ms = clock.nowMs() - startMs;
    this.#addStepMs(ms);
    if (computed.kind !== 'failed') this.#tuner.learn(stepSize(plan), threads, ms);
    if (computed.kind === 'failed') for (const work of works) table.fail(work, computed.error);
    else publishStep(table, plan, computed);
    for (const hold of holds) table.letGo(hold);
    if (work !== undefined && computed.kind !== 'failed') this.#log.add(work, clock.nowMs() - plannedMs);
  }

  /** Cores for a plan, or `undefined` when they could not be had: then the plan's requests have failed. */
  async #acquire(planned: StepPlan): Promise<CoreGrant | undefined> {
    const table = this.#table;
    const { acquireCores, threads, fixedThreads = false } = table.options;
    const works = table.worksOf(planned);
    const size = stepSize(planned);
    const threadsMax = fixedThreads ? threads : this.#tuner.choose(size, threads);
    if (acquireCores === undefined || works.length === 0) return { threads: threadsMax, release: () => undefined };
    const signal = table.beginStep(works);
    try {
      return onceReleased(await acquireCores({ ...size, threadsMax }, signal));
    } catch (error) {
      for (const work of works) table.fail(work, toTercetError(error, 'stage_failed'));
      return undefined;
    } finally {
      table.beginStep([]);
    }
  }

  #addStepMs(ms: number): void {
    this.#stepsTimed++;
    this.#stepMsMean += Math.max(meanWeight, 1 / this.#stepsTimed) * (ms - this.#stepMsMean);
  }
}

function stepSize(plan: StepPlan): StepSize {
  if (plan.kind === 'idle') return { kind: 'decode', tokens: 0 };
  if (plan.kind !== 'tokens') return { kind: 'encode', tokens: plan.toUnit - plan.fromUnit };
  return { kind: plan.chunks.length > 0 ? 'prefill' : 'decode', tokens: spentTokens(plan) };
}

/** Cores go back as soon as the step is computed, and in any case when it ended. */
function onceReleased(grant: CoreGrant): CoreGrant {
  let held = true;
  return {
    threads: grant.threads,
    release() {
      if (held) grant.release();
      held = false;
    },
  };
}
