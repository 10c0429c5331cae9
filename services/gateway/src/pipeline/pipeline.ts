import type { Clock } from '@tercet/base';
import { TercetError, toTercetError } from '@tercet/contracts';
import { cacheKeyOf, mediaDigestOf } from '@tercet/media';
import { type Log, traceFields } from '@tercet/telemetry';
import type { Admission } from './admission.js';
import { Answer } from './answer.js';
import { type AttemptEvent, runAttempt } from './attempt.js';
import { Deadline } from './deadline.js';
import { estimateTokens } from './estimate-tokens.js';
import type { Holding } from './holding.js';
import { type Chooser, type PlanNeed, type PodView, planRoute, type RoutePlan } from './plan.js';
import { pointsAtPod } from './points-at-pod.js';
import { fetchImages, type Prepare, type PreparedPrompt, tokenizePrompt } from './prepare.js';
import { prefixesOf } from './prompt-prefix.js';
import type { AnswerEvent, GenerationRequest, Timeline } from './request.js';
import { type RouteReports, takenRoute } from './route-reports.js';
import type { PodSource, StageCalls } from './stage-calls.js';
import { Stopwatch } from './stopwatch.js';

export interface PipelineOptions<Pod> {
  readonly pods: PodSource<Pod>;
  readonly calls: StageCalls<Pod>;
  readonly prepare: Prepare;
  readonly admission: Pick<Admission, 'enter'>;
  readonly chooser: Chooser;
  readonly routes: RouteReports;
  readonly holding: Holding;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: PipelineLimits;
}

export interface PipelineLimits {
  readonly timeoutMs: number;
  readonly attemptsMax: number;
}

/**
 * The way of one request: admit → plan → encode → prefill → decode → finish. The only place that retries: by the class
 * of the error, inside the deadline, with a new plan. After a failure in the middle of an answer, prompt and tokens so
 * far go through prefill again on other pods, and the client sees the text go on.
 */
export class Pipeline<Pod> {
  readonly #options: PipelineOptions<Pod>;

  constructor(options: PipelineOptions<Pod>) {
    this.#options = options;
  }

  /** @throws any code of the error table; the iterator's end frees everything that the request holds */
  async *run(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const { admission, holding, limits, clock } = this.#options;
    const stopwatch = new Stopwatch(clock);
    const timeoutMs = Math.min(request.timeoutMs ?? limits.timeoutMs, limits.timeoutMs);
    using deadline = new Deadline(timeoutMs, signal);
    const { tenant, priority } = request;
    using place = await admission.enter({ tenant, priority, tokens: estimateTokens(request) }, deadline.signal);
    using _here = holding.enter(request.model.name);
    const images = await stopwatch.fetching(fetchImages(request, this.#options.prepare, deadline.signal));
    const prompt = tokenizePrompt(request, images);
    const room = request.model.contextTokensMax - prompt.tokenIds.length;
    const tokensMax = Math.min(request.tokensMax ?? room, room);
    const patches = prompt.tiles.length * (request.model.vision?.patchesPerTile ?? 0);
    yield { kind: 'accepted', promptTokens: prompt.tokenIds.length, patches };
    const deadlineUnixMs = BigInt(Math.ceil(clock.unixMs() + timeoutMs));
    const course = new Course<Pod>({ request, prompt, tokensMax, stopwatch, deadlineUnixMs });
    try {
      yield* this.#attempts(course, deadline.signal);
    } catch (error) {
      throw deadline.passed && !signal.aborted ? new TercetError('deadline_exceeded', { timeoutMs }) : error;
    } finally {
      place.settle(prompt.tokenIds.length + course.answer.tokenIds.length);
    }
  }

  async *#attempts(course: Course<Pod>, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const { attemptsMax } = this.#options.limits;
    for (;;) {
      course.attempts++;
      try {
        return yield* this.#attempt(course, signal);
      } catch (error) {
        const failure = toTercetError(error, 'stage_failed');
        const again = failure.retry === 'replan' && course.attempts < attemptsMax && !signal.aborted;
        this.#report(course, failure, again);
        if (!again) throw signal.aborted ? toTercetError(signal.reason, 'cancelled') : failure;
      }
    }
  }

  async *#attempt(course: Course<Pod>, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const { calls, pods, routes } = this.#options;
    const { request, prompt, answer, stopwatch } = course;
    // The attempt before this one died between the last token and its end.
    if (answer.tokenIds.length >= course.tokensMax) return yield course.finish('length');
    const plan = await this.#plan(course, signal);
    stopwatch.mark('planned');
    course.plan = plan;
    routes.planned(request, { plan, attempt: course.attempts });
    using pending = pods.expect(plan.prefill.pod, plan.route.expected?.computeMs ?? 0);
    const attempt = runAttempt(
      {
        calls,
        plan,
        prompt,
        generated: [...answer.tokenIds],
        sampling: request.sampling,
        tokensLeft: course.tokensMax - answer.tokenIds.length,
        model: request.model.name,
        context: course.context(),
        stopwatch,
        onFailure: (view, error) => {
          course.avoid.add(view.podId);
          if (pointsAtPod(error)) pods.forget(view.pod);
        },
      },
      signal,
    );
    for await (const event of attempt) {
      if (event.kind === 'started') routes.started(request, { plan, cachedTokens: event.cachedTokens });
      if (event.kind === 'token') pending[Symbol.dispose]();
      const out = course.take(event);
      if (out !== undefined) yield out;
      if (out?.kind === 'finished') return;
      if (course.stopped) return yield course.finish('stop');
    }
  }

  /** Waits for pods that are missing, as long as the limits allow. @throws no_pod, pool_waking */
  #plan(course: Course<Pod>, signal: AbortSignal): Promise<RoutePlan<Pod>> {
    const { pods, holding, chooser } = this.#options;
    const find = () => {
      const planned = planRoute(pods.ready(), course.need(), chooser);
      return planned.kind === 'planned' ? planned.plan : undefined;
    };
    return holding.until(course.request.model.name, find, signal);
  }

  #report({ request, attempts, answer }: Course<Pod>, failure: TercetError, again: boolean): void {
    if (failure.code === 'cancelled') return;
    const about = { requestId: request.requestId, ...traceFields(request.traceparent) };
    const sentTokens = answer.tokenIds.length;
    this.#options.log.info(again ? 'request.replan' : 'request.failed', { ...about, attempts, sentTokens, failure });
  }
}

/** One request on its way: what it needs, what the client has already, and which pods served it. */
class Course<Pod> {
  readonly request: GenerationRequest;
  readonly prompt: PreparedPrompt;
  readonly tokensMax: number;
  readonly stopwatch: Stopwatch;
  readonly answer: Answer;
  readonly avoid = new Set<string>();
  attempts = 0;
  stopped = false;
  plan: RoutePlan<Pod> | undefined;
  readonly #deadlineUnixMs: bigint;
  #cachedTokens: number | undefined;

  constructor(options: {
    request: GenerationRequest;
    prompt: PreparedPrompt;
    tokensMax: number;
    stopwatch: Stopwatch;
    deadlineUnixMs: bigint;
  }) {
    const { request, prompt, tokensMax, stopwatch, deadlineUnixMs } = options;
    this.request = request;
    this.prompt = prompt;
    this.tokensMax = tokensMax;
    this.stopwatch = stopwatch;
    this.#deadlineUnixMs = deadlineUnixMs;
    this.answer = new Answer(request.model.tokenizer, { stop: request.stop, skipsSpace: prompt.endsInLine });
  }

  need(): PlanNeed {
    const { request, prompt, avoid, tokensMax, answer } = this;
    const generatedTokens = answer.tokenIds.length;
    const tokenIds = Uint32Array.from([...prompt.tokenIds, ...answer.tokenIds]);
    const { tenant } = request;
    return {
      model: request.model.name,
      tiles: prompt.tiles.map(({ contentKey }) => mediaDigestOf(cacheKeyOf(tenant, contentKey))),
      promptTokens: tokenIds.length,
      prefixOf: prefixesOf({ tokenIds, generatedTokens, media: prompt.tiles, tenant }),
      mediaKey: prompt.images[0]?.contentHash ?? '',
      needsDecode: tokensMax - generatedTokens > 1,
      avoid,
    };
  }

  context() {
    const { requestId, tenant, traceparent } = this.request;
    return { requestId, attempt: this.attempts, deadlineUnixMs: this.#deadlineUnixMs, tenant, traceparent };
  }

  /** What the client sees of an event of the attempt. */
  take(event: AttemptEvent): AnswerEvent | undefined {
    switch (event.kind) {
      case 'started':
        this.#cachedTokens ??= event.cachedTokens;
        return undefined;
      case 'token': {
        const { token } = event;
        const isFirst = !this.stopwatch.hasFirstToken;
        this.stopwatch.token(event.prefill);
        const { text, stopped } = this.answer.push(token);
        this.stopped = stopped;
        return { kind: 'token', text, token, ...(isFirst ? { ttft: this.stopwatch.times(1) } : {}) };
      }
      case 'finished':
        return this.finish(event.reason);
      default:
        return event satisfies never;
    }
  }

  finish(reason: 'stop' | 'length'): AnswerEvent {
    const { prompt, answer } = this;
    const usage = {
      promptTokens: prompt.tokenIds.length,
      completionTokens: answer.tokenIds.length,
      cachedTokens: this.#cachedTokens ?? 0,
      mediaTokens: prompt.tiles.reduce((sum, { tokens }) => sum + tokens, 0),
    };
    return { kind: 'finished', reason, text: this.stopped ? '' : answer.end(), usage, timeline: this.#timeline() };
  }

  #timeline(): Timeline {
    const { plan, stopwatch, answer, attempts, request } = this;
    const name = (view: PodView<Pod> | undefined) => view?.podId ?? '';
    const encode = [...new Set((plan?.encoders ?? []).map(name))];
    const pods = { encode, prefill: name(plan?.prefill), decode: name(plan?.decode) };
    const { requestId } = request;
    const route = plan && { route: takenRoute(plan.route) };
    return { requestId, ...stopwatch.times(answer.tokenIds.length), attempts, pods, ...route };
  }
}
