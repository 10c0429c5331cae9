import type { Clock } from '@tercet/base';
import { toTercetError, type wire } from '@tercet/contracts';
import type { Generate } from './http/chat.js';
import type { AnswerEvent, GenerationRequest } from './pipeline/request.js';
import type { OutcomeReports } from './pods/outcome-reports.js';

type Finished = Extract<AnswerEvent, { kind: 'finished' }>;

/** The pipeline with what clients saw of their requests told to the controllers. A client that left saw nothing. */
export function reported(generate: Generate, reports: Pick<OutcomeReports, 'add'>, clock: Clock): Generate {
  return async function* report(request, signal) {
    const arrivalUnixMs = BigInt(clock.unixMs());
    const { model } = request;
    try {
      for await (const event of generate(request, signal)) {
        if (event.kind === 'finished') reports.add(model.name, { arrivalUnixMs, ...outcomeOf(event, request) });
        yield event;
      }
    } catch (error) {
      const { code } = toTercetError(error);
      if (code !== 'cancelled') reports.add(model.name, { arrivalUnixMs, ...failed(code) });
      throw error;
    }
  };
}

function outcomeOf(event: Finished, { media, model }: GenerationRequest): Omit<wire.RequestOutcome, 'arrivalUnixMs'> {
  const { promptTokens, cachedTokens, completionTokens, mediaTokens } = event.usage;
  const { ttftMs, handoverMs, decodeMs } = event.timeline;
  const later = completionTokens - 1;
  return {
    images: media.length,
    patches: mediaTokens * (model.vision?.patchesPerToken ?? 0),
    promptTokens,
    cachedTokens,
    outputTokens: completionTokens,
    ttftMs,
    tpotMs: later > 0 ? (handoverMs + decodeMs) / later : undefined,
    ended: 'ok',
  };
}

function failed(ended: string): Omit<wire.RequestOutcome, 'arrivalUnixMs'> {
  const nothing = { images: 0, patches: 0, promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
  return { ...nothing, ttftMs: undefined, tpotMs: undefined, ended };
}
