import { fileURLToPath } from 'node:url';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { EmbeddedEngine, FakeBackend, greedySampler } from '@tercet/engine';
import { FactJournal, PodFacts } from '@tercet/facts';
import { DecodeStage, EncodeStage, MemoryTensors, PrefillStage, TileCache } from '@tercet/stage';
import { systemClock } from '@tercet/telemetry';
import { unlimited } from '@tercet/tenancy';
import { openModel, type ServedModel } from '../models/served-model.js';
import { Admission } from '../pipeline/admission.js';
import { byLoad } from '../pipeline/choose.js';
import { Demand } from '../pipeline/demand.js';
import { Holding, type HoldLimits } from '../pipeline/holding.js';
import { Pipeline, type PipelineLimits } from '../pipeline/pipeline.js';
import type { Chooser, PodView } from '../pipeline/plan.js';
import type { AnswerEvent, GenerationRequest } from '../pipeline/request.js';
import { type RouteCounts, RouteReports } from '../pipeline/route-reports.js';
import type { PodSource, StageCalls } from '../pipeline/stage-calls.js';

type Stage = EncodeStage | PrefillStage | DecodeStage;

/** A stage in this process, with an engine of its own over the fake backend. */
export interface MemoryPod {
  readonly podId: string;
  readonly engine: EmbeddedEngine;
  readonly stage: Stage;
}

/**
 * What goes wrong in the next call to a pod: after so many events, this error, or an end without one. With -1 events
 * the call is refused before it begins.
 */
export interface Fault {
  readonly podId: string;
  readonly afterEvents: number;
  readonly error: TercetError | 'end';
}

const tiny = fileURLToPath(new URL('../../../../models/tiny/tercet-tiny.gguf', import.meta.url));
const engineLimits = {
  stepTokensMax: 64,
  chunkTokens: 32,
  chunkWaitStepsMax: 4,
  agedSteps: 16,
  kvBlocksMax: 256,
  reuseGrainTokens: 16,
  waitingMax: 16,
  stepTilesMax: 2,
  decodeAheadTokens: 8,
};
const vision = { tileSize: 4, longestEdge: 4, tokensPerTile: 2, split: false };

/** A tokenizer and template of a real model; its vision is that of the fake backend. */
export function testModel(): ServedModel {
  const model = openModel({ name: 'fake', path: tiny, contextTokensMax: 256 });
  if (model.kind !== 'text') throw new Error('bug: the tiny model writes text');
  const placeholderTokenId = model.tokenizer.tokenIdOf('<image>') ?? 0;
  return { ...model, vision: { shape: vision, patchesPerTile: 16, preprocessingDigest: 'test', placeholderTokenId } };
}

export interface MemorySystemOptions {
  readonly roles?: readonly string[];
  readonly runningMax?: number;
  readonly limits?: Partial<PipelineLimits & HoldLimits>;
  readonly chooser?: Chooser;
  readonly counts?: RouteCounts;
}

/** A pool that always has its pods. */
const awake = { sleepOf: () => undefined, reportSoon: () => undefined };

/** Encode, prefill and decode in one process, without sockets: the pipeline's other side in tests. */
export class MemorySystem implements AsyncDisposable {
  readonly clock = new ManualClock(1000);
  readonly tensors = new MemoryTensors();
  /** Calls in the order in which they began, `pod method`. */
  readonly calls: string[] = [];
  /** Every message that a stage got. */
  readonly messages: object[] = [];
  readonly pods: PodView<MemoryPod>[] = [];
  readonly admission: Admission;
  readonly pipeline: Pipeline<MemoryPod>;
  faults: Fault[] = [];
  readonly #forgotten = new Set<string>();
  readonly #over = new AbortController();

  constructor(options: MemorySystemOptions = {}) {
    for (const name of options.roles ?? ['encode-0', 'encode-1', 'prefill-0', 'decode-0', 'decode-1'])
      this.#addPod(name);
    this.admission = new Admission({
      limits: { runningMax: options.runningMax ?? 8, waitingMax: 8, agingMs: 1000, tenantsMax: 16 },
      waitMsMax: 1000,
      limitsOf: () => unlimited,
      clock: this.clock,
    });
    const fetch = async () => new Uint8Array(0);
    const log = { info: () => undefined, error: () => undefined };
    const mediaLimits = { imagesMax: 4, bytesMax: 10_000, pixelsMax: 10_000, edgeMax: 1000, tilesMax: 4 };
    const pods: PodSource<MemoryPod> = {
      ready: () => this.pods.filter(({ podId }) => !this.#forgotten.has(podId)),
      forget: ({ podId }) => this.#forgotten.add(podId),
      expect: () => ({ [Symbol.dispose]: () => undefined }),
      changed: (signal) => changed(signal),
    };
    const limits = { podWaitMs: 50, holdMs: 1000, heldMax: 4, ...options.limits };
    this.pipeline = new Pipeline({
      pods,
      holding: new Holding({
        pods,
        pools: awake,
        demand: new Demand(['fake'], systemClock),
        limits,
        clock: systemClock,
      }),
      chooser: options.chooser ?? byLoad,
      routes: new RouteReports(log, options.counts ?? { routed: () => undefined, predicted: () => undefined }),
      calls: this.#stageCalls(),
      prepare: { fetcher: { fetch }, limits: mediaLimits },
      admission: this.admission,
      clock: this.clock,
      log,
      limits: { timeoutMs: 10_000, attemptsMax: 4, ...options.limits },
    });
  }

  /** Nothing is held anywhere: no slot, no lease, no request. */
  isEmpty(): boolean {
    const engines = this.pods.map(({ pod }) => pod.engine.load());
    const held = engines.reduce((sum, { waiting, running, kvBlocksUsed }) => sum + waiting + running + kvBlocksUsed, 0);
    return held === 0 && this.tensors.open === 0 && this.admission.running === 0;
  }

  async run(request: GenerationRequest, signal = new AbortController().signal): Promise<AnswerEvent[]> {
    const events: AnswerEvent[] = [];
    for await (const event of this.pipeline.run(request, signal)) events.push(event);
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    for (const { pod } of this.pods) await pod.engine[Symbol.asyncDispose]();
  }

  #addPod(podId: string): void {
    const { clock, tensors } = this;
    const engine = EmbeddedEngine.open({
      backend: new FakeBackend({ vocabSize: 768, pause: () => new Promise((resolve) => setImmediate(resolve)) }),
      clock,
      samplerOf: () => greedySampler,
      endOfTextTokenIds: new Set(),
      threads: 1,
      limits: engineLimits,
    });
    const common = { engine, tensors, clock };
    const [kind] = podId.split('-');
    const cutTiles = async () => new Float32Array(3 * vision.tileSize ** 2).fill(0.5);
    const journal = new FactJournal({ generation: 1n });
    engine.watchPrefixes((change) => journal.changePrefixes(change));
    const cache = new TileCache(1000, (change) => journal.changeMedia(change));
    const encode = { ...common, cutTiles, cache, tilesMax: 4 };
    const stage =
      kind === 'encode'
        ? new EncodeStage(encode)
        : kind === 'prefill'
          ? new PrefillStage(common)
          : new DecodeStage(common);
    journal.setRole({ role: stage.role, epoch: 1n });
    const { modelDigest, reuse } = engine.descriptor;
    const known = { facts: this.#followed(journal), reuse, pendingMs: 0, otherRequests: 0, freeTokens: 4096 };
    const view = { podId, role: stage.role, epoch: 1n, model: 'fake', modelDigest, busy: 0, known };
    this.pods.push({ ...view, pod: { podId, engine, stage } });
  }

  #followed(journal: FactJournal): PodFacts {
    const facts = new PodFacts({ keysMax: 10_000 });
    const follow = async () => {
      for await (const message of journal.watch(facts.place, this.#over.signal)) facts.apply(message);
    };
    void follow();
    return facts;
  }

  #stageCalls(): StageCalls<MemoryPod> {
    return {
      encodeTiles: (pod, request, signal) =>
        this.#many(pod, 'encodeTiles', (over) =>
          encodeOf(pod).encodeTiles(this.#told(request), AbortSignal.any([signal, over])),
        ),
      embedText: (pod, request, signal) =>
        this.#one(pod, 'embedText', () => encodeOf(pod).embedText(this.#told(request), signal)),
      prefill: (pod, request, signal) =>
        this.#many(pod, 'prefill', (over) =>
          (pod.stage as PrefillStage).prefill(this.#told(request), AbortSignal.any([signal, over])),
        ),
      decode: (pod, commands, signal) =>
        this.#many(pod, 'decode', (over) =>
          (pod.stage as DecodeStage).decode(this.#eachTold(commands), AbortSignal.any([signal, over])),
        ),
    };
  }

  #told<T extends object>(message: T): T {
    this.messages.push(message);
    return message;
  }

  async *#eachTold<T extends object>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const message of messages) yield this.#told(message);
  }

  async #one<T>(pod: MemoryPod, method: string, call: () => Promise<T>): Promise<T> {
    this.calls.push(`${pod.podId} ${method}`);
    const fault = this.#takeFault(pod);
    if (fault === undefined) return call();
    throw fault.error === 'end' ? new TercetError('empty_answer') : fault.error;
  }

  /** A call that dies takes its stage's work with it, as a process does. */
  async *#many<T>(pod: MemoryPod, method: string, call: (over: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T> {
    this.calls.push(`${pod.podId} ${method}`);
    const fault = this.#takeFault(pod);
    if (fault !== undefined && fault.afterEvents < 0 && fault.error !== 'end') throw fault.error;
    const over = new AbortController();
    let events = 0;
    try {
      for await (const event of call(over.signal)) {
        if (fault !== undefined && events++ >= fault.afterEvents) {
          if (fault.error === 'end') return;
          throw fault.error;
        }
        yield event;
      }
    } finally {
      over.abort(new TercetError('cancelled'));
    }
  }

  #takeFault({ podId }: MemoryPod): Fault | undefined {
    const index = this.faults.findIndex((fault) => fault.podId === podId);
    return index < 0 ? undefined : this.faults.splice(index, 1)[0];
  }
}

function encodeOf({ stage }: MemoryPod): EncodeStage {
  if (stage instanceof EncodeStage) return stage;
  throw new TercetError('epoch_stale');
}

function changed(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new TercetError('no_pod')), { once: true });
  });
}
