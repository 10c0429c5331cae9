import { type FleetShape, type Move, type StageName, stageNames, type Trace } from '@tercet/allocation';
import { decodeCostOf, encodeMs, prefillMs, transferMs } from '@tercet/cost-model';
import { EventQueue } from './event-queue.js';

export interface PlantOptions {
  readonly trace: Trace;
  readonly shape: FleetShape;
  readonly roles: readonly StageName[];
  /** From the end of the drain until the group serves its new stage. */
  readonly switchMs: number;
  /** Requests that may wait for their first token; one more is refused, as a gateway with a bounded queue does. */
  readonly queueMax: number;
  /** How much slower than the shape says a stage is at some time: what the planner does not know. */
  readonly slowness: (stage: StageName, atMs: number) => number;
  /** Told of every batch, image and step, as load reports tell: features of the cost formulas, and the time. */
  readonly onWork?: (stage: StageName, features: readonly number[], ms: number) => void;
}

interface Sequence {
  readonly request: number;
  /** Step of its group at which it ends. */
  endStep: number;
}

interface Group {
  readonly index: number;
  role: StageName;
  /** Where it goes once it is idle. */
  goal: StageName | undefined;
  isSwitching: boolean;
  isBusy: boolean;
  batch: Sequence[];
  context: number;
  step: number;
}

type Event = () => void;

/**
 * A fleet played event by event, every decode step on its own, whose groups can change their stage while it runs: what
 * a controller acts upon. It shares nothing with the planner's simulator but the form of the costs.
 */
export class Plant {
  readonly firstMs: Float64Array;
  readonly endMs: Float64Array;
  nowMs = 0;
  refused = 0;
  readonly moves: (Move & { readonly atMs: number })[] = [];
  readonly #options: PlantOptions;
  readonly #groups: readonly Group[];
  readonly #events = new EventQueue<Event>();
  readonly #images: { readonly request: number; readonly patches: number }[] = [];
  readonly #imagesLeft: Uint32Array;
  readonly #prompts: number[] = [];
  readonly #waiting: number[] = [];
  #nextArrival = 0;
  #withoutToken = 0;

  constructor(options: PlantOptions) {
    const { trace, roles } = options;
    this.#options = options;
    this.firstMs = new Float64Array(trace.length).fill(Number.POSITIVE_INFINITY);
    this.endMs = new Float64Array(trace.length).fill(Number.POSITIVE_INFINITY);
    this.#imagesLeft = trace.images.slice();
    this.#groups = roles.map((role, index) => {
      return { index, role, goal: undefined, isSwitching: false, isBusy: false, batch: [], context: 0, step: 0 };
    });
  }

  /** Requests that arrived until now. */
  get arrived(): number {
    return this.#nextArrival;
  }

  /** How many groups there are, whatever they do. */
  get groups(): number {
    return this.#groups.length;
  }

  /** Groups by the stage that they serve or are on the way to. */
  counts(): Record<StageName, number> {
    const counts = { encode: 0, prefill: 0, decode: 0 };
    for (const { role, goal } of this.#groups) counts[goal ?? role]++;
    return counts;
  }

  /** Requests that wait for a stage, and ones that run there. */
  queues(): Record<StageName, { waiting: number; running: number }> {
    const running = (role: StageName) => this.#groups.filter((group) => group.role === role && group.isBusy).length;
    const decoding = this.#groups.reduce((sum, { batch }) => sum + batch.length, 0);
    return {
      encode: { waiting: new Set(this.#images.map(({ request }) => request)).size, running: running('encode') },
      prefill: { waiting: this.#prompts.length, running: running('prefill') },
      decode: { waiting: this.#waiting.length, running: decoding },
    };
  }

  /** Groups on their way from one stage to another. */
  get moving(): Move[] {
    return this.#groups.flatMap(({ role, goal }) => (goal === undefined ? [] : [{ from: role, to: goal }]));
  }

  /** Plays everything until then. */
  runUntil(ms: number): void {
    const { arrivalMs } = this.#options.trace;
    for (;;) {
      const arrival = arrivalMs[this.#nextArrival] ?? Number.POSITIVE_INFINITY;
      const next = Math.min(arrival, this.#events.nextMs);
      if (next > ms || next === Number.POSITIVE_INFINITY) break;
      this.nowMs = next;
      if (arrival <= this.#events.nextMs) this.#arrive(this.#nextArrival++);
      else this.#events.take()();
    }
    this.nowMs = ms;
  }

  /** The least busy group of a stage drains and changes over. @returns false when it is the last one there */
  move(from: StageName, to: StageName): boolean {
    const there = this.#groups.filter(({ role, goal, isSwitching }) => {
      return role === from && goal === undefined && !isSwitching;
    });
    if (there.length < 2) return false;
    const group = there.reduce((a, b) => (loadOf(b) < loadOf(a) ? b : a));
    group.goal = to;
    this.moves.push({ atMs: this.nowMs, from, to });
    this.#offer(group);
    return true;
  }

  #arrive(request: number): void {
    const { images, patches } = this.#options.trace;
    if (this.#withoutToken >= this.#options.queueMax) {
      this.refused++;
      return;
    }
    this.#withoutToken++;
    const count = images[request] as number;
    for (let image = 0; image < count; image++) {
      this.#images.push({ request, patches: (patches[request] as number) / count });
    }
    if (count === 0) this.#prompts.push(request);
    this.#wake(count === 0 ? 'prefill' : 'encode');
  }

  #wake(role: StageName): void {
    for (const group of this.#groups) if (group.role === role && !group.isBusy) this.#offer(group);
  }

  /** Gives an idle group its next work, or lets it change over. */
  #offer(group: Group): void {
    if (group.isBusy || group.isSwitching) return;
    if (group.goal !== undefined && group.batch.length === 0) {
      this.#changeOver(group, group.goal);
      return;
    }
    if (group.role === 'encode' && group.goal === undefined) this.#encode(group);
    if (group.role === 'prefill' && group.goal === undefined) this.#prefill(group);
    if (group.role === 'decode') this.#decode(group);
  }

  #changeOver(group: Group, to: StageName): void {
    group.isSwitching = true;
    this.#after(this.#options.switchMs, () => {
      group.role = to;
      group.goal = undefined;
      group.isSwitching = false;
      this.#offer(group);
    });
  }

  #encode(group: Group): void {
    const image = this.#images.shift();
    if (image === undefined) return;
    const { costs } = this.#options.shape;
    this.#work(group, [1, image.patches], encodeMs(costs.encode, image.patches), () => {
      const left = (this.#imagesLeft[image.request] as number) - 1;
      this.#imagesLeft[image.request] = left;
      if (left > 0) return;
      const bytes = (this.#options.trace.patches[image.request] as number) * costs.mediaBytesPerPatch;
      this.#after(transferMs(costs.mediaTransfer, bytes), () => {
        this.#prompts.push(image.request);
        this.#wake('prefill');
      });
    });
  }

  #prefill(group: Group): void {
    const { shape, trace } = this.#options;
    const batch: number[] = [];
    let tokens = 0;
    let squares = 0;
    for (const request of this.#prompts) {
      const cached = trace.cachedTokens[request] as number;
      const more = (trace.promptTokens[request] as number) - cached;
      if (batch.length > 0 && tokens + more > shape.batchTokensMax) break;
      batch.push(request);
      tokens += more;
      squares += more * (more + 2 * cached);
    }
    if (batch.length === 0) return;
    this.#prompts.splice(0, batch.length);
    this.#work(group, [1, tokens, squares], prefillMs(shape.costs.prefill, tokens, squares), () => {
      for (const request of batch) this.#firstToken(request);
    });
  }

  #firstToken(request: number): void {
    const { shape, trace } = this.#options;
    this.firstMs[request] = this.nowMs;
    this.#withoutToken--;
    if ((trace.outputTokens[request] as number) === 1) {
      this.endMs[request] = this.nowMs;
      return;
    }
    const bytes = (trace.promptTokens[request] as number) * shape.costs.kvBytesPerToken;
    this.#after(transferMs(shape.costs.kvTransfer, bytes), () => {
      this.#waiting.push(request);
      this.#join();
    });
  }

  /** Who waits for decode goes to the group with the fewest that has room. */
  #join(): void {
    const { shape, trace } = this.#options;
    while (this.#waiting.length > 0) {
      const request = this.#waiting[0] as number;
      const tokens = (trace.promptTokens[request] as number) + (trace.outputTokens[request] as number);
      const open = this.#groups.filter((group) => {
        const isOpen = group.role === 'decode' && group.goal === undefined && !group.isSwitching;
        return isOpen && group.batch.length < shape.sequencesMax && group.context + tokens <= shape.kvTokensMax;
      });
      if (open.length === 0) return;
      const group = open.reduce((a, b) => (b.batch.length < a.batch.length ? b : a));
      this.#waiting.shift();
      const steps = (trace.outputTokens[request] as number) - 1;
      // It joins behind the step that runs.
      group.batch.push({ request, endStep: group.step + steps + (group.isBusy ? 1 : 0) });
      group.context += (trace.promptTokens[request] as number) + 1;
      this.#offer(group);
    }
  }

  #decode(group: Group): void {
    const { shape, trace } = this.#options;
    const count = group.batch.length;
    if (count === 0) return;
    const { fixedMs, perContextTokenMs, perSequenceMs } = decodeCostOf(shape.costs, count);
    const ms = fixedMs + perContextTokenMs * group.context + perSequenceMs * count;
    this.#work(group, [1, group.context, count], ms, () => {
      group.step++;
      group.context += count;
      const isOver = ({ endStep }: Sequence) => endStep <= group.step;
      if (!group.batch.some(isOver)) return;
      for (const sequence of group.batch.filter(isOver)) {
        const { request } = sequence;
        this.endMs[request] = this.nowMs;
        group.context -= (trace.promptTokens[request] as number) + (trace.outputTokens[request] as number);
      }
      group.batch = group.batch.filter((sequence) => !isOver(sequence));
      this.#join();
    });
  }

  #work(group: Group, features: readonly number[], plannedMs: number, done: () => void): void {
    const { slowness, onWork } = this.#options;
    const { role } = group;
    const ms = plannedMs * slowness(role, this.nowMs);
    group.isBusy = true;
    this.#after(ms, () => {
      group.isBusy = false;
      onWork?.(role, features, ms);
      done();
      this.#offer(group);
    });
  }

  #after(ms: number, event: Event): void {
    this.#events.add(this.nowMs + ms, event);
  }
}

/** Groups that have these roles: the stages in their order. */
export function rolesOf(counts: Readonly<Record<StageName, number>>): StageName[] {
  return stageNames.flatMap((stage) => Array<StageName>(counts[stage]).fill(stage));
}

function loadOf(group: Group): number {
  return group.batch.length + (group.isBusy ? 1 : 0);
}
