import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import type { wire } from '@tercet/contracts';
import type { EventLog, NewEvent } from '@tercet/event-log';
import { OutcomeReports, outcomesMax } from './outcome-reports.js';
import type { AnswerEvent } from './pipeline/request.js';

const parts = { queueMs: 0, mediaFetchMs: 0, encodeMs: 0, mediaTransferMs: 0, prefillQueueMs: 0, prefillMs: 100 };
const pods = { encode: [], prefill: 'p', decode: 'd' };

/** Keeps what is written, or never answers. */
class KeptLog implements EventLog {
  readonly reports: wire.OutcomesReport[] = [];
  readonly keys: string[] = [];
  hangs = false;

  async publish(_topic: string, { key, body }: NewEvent): Promise<void> {
    if (this.hangs) await new Promise(() => undefined);
    this.keys.push(key);
    if (body.$case === 'outcomes') this.reports.push(body.value);
  }

  async subscribe(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

describe('OutcomeReports', () => {
  test('tell for each model what came and how it ended; one token has no time between tokens', async () => {
    const log = new KeptLog();
    const outcomes = open(log);
    const answered = outcomes.arrived('tiny', 2);
    for (const event of [{ kind: 'accepted', promptTokens: 30, patches: 128 } as const, finished(3)])
      answered.saw(event);
    answered.ended('ok');
    const short = outcomes.arrived('tiny', 0);
    short.saw(finished(1));
    short.ended('ok');
    outcomes.arrived('tiny', 1).ended('overloaded');
    outcomes.arrived('tiny', 0);
    await outcomes[Symbol.asyncDispose]();
    expect(log.keys).toEqual(['gateway-1', 'gateway-1']);
    const common = { arrivalUnixMs: 5000n, images: 0, patches: 0, promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
    expect(log.reports).toEqual([
      {
        gatewayId: 'gateway-1',
        model: 'tiny',
        arrivals: 4,
        outcomes: [
          {
            ...common,
            images: 2,
            patches: 128,
            promptTokens: 30,
            cachedTokens: 16,
            outputTokens: 3,
            ttftMs: 100,
            tpotMs: 20,
            ended: 'ok',
          },
          { ...common, cachedTokens: 16, outputTokens: 1, ttftMs: 100, tpotMs: undefined, ended: 'ok' },
          { ...common, images: 1, ttftMs: undefined, tpotMs: undefined, ended: 'overloaded' },
        ],
      },
      { gatewayId: 'gateway-1', model: 'idle', arrivals: 0, outcomes: [] },
    ]);
  });

  test('are written before their time rather than grow without a bound', async () => {
    const log = new KeptLog();
    const outcomes = open(log);
    for (let i = 0; i < outcomesMax + 1; i++) outcomes.arrived('tiny', 0).ended('ok');
    await outcomes[Symbol.asyncDispose]();
    const sizes = log.reports.filter(({ model }) => model === 'tiny').map((report) => report.outcomes.length);
    expect(sizes).toEqual([outcomesMax, 1]);
  });

  test('do not wait for a log that does not answer', () => {
    const log = new KeptLog();
    log.hangs = true;
    const outcomes = open(log);
    for (let i = 0; i < 3 * outcomesMax; i++) outcomes.arrived('tiny', 0).ended('ok');
    return outcomes[Symbol.asyncDispose]();
  });
});

function open(events: EventLog): OutcomeReports {
  const log = { info: () => undefined, error: () => undefined };
  const models = ['tiny', 'idle'];
  return new OutcomeReports({ events, gatewayId: 'gateway-1', models, clock: new ManualClock(5000), log });
}

function finished(completionTokens: number): AnswerEvent {
  const usage = { promptTokens: 30, completionTokens, cachedTokens: 16, mediaTokens: 0 };
  const times = { ttftMs: 100, parts, handoverMs: 10, decodeMs: 30, tokensPerSecond: 0, attempts: 1, pods };
  return { kind: 'finished', reason: 'stop', text: '', usage, timeline: { requestId: 'r', ...times } };
}
