import { errorTable, isErrorCode, type wire } from '@tercet/contracts';
import type { Controller, Outcome } from '@tercet/controller-core';

/** The steps that a pod reports. */
export function hearWork({ work }: wire.LoadReport, controller: Pick<Controller, 'heardWork'>): void {
  for (const { step, ms } of work) if (step !== undefined) controller.heardWork(step.$case, featuresOf(step), ms);
}

/**
 * The requests that a gateway reports: they ended since its last report.
 * @param behindMs how far its clock is behind ours
 */
export function hearOutcomes(
  { outcomes }: wire.OutcomesReport,
  behindMs: number,
  controller: Pick<Controller, 'heardOutcome'>,
): void {
  for (const outcome of outcomes) if (!isClients(outcome)) controller.heardOutcome(outcomeOf(outcome, behindMs));
}

/** It ended by its client: a request that is not valid, or one that nobody waits for. No split could have met it. */
function isClients({ ended }: wire.RequestOutcome): boolean {
  if (!isErrorCode(ended)) return false;
  const { http } = errorTable[ended];
  return http < 500 && http !== errorTable.overloaded.http;
}

/** As the cost model has them. */
function featuresOf(step: NonNullable<wire.WorkSample['step']>): number[] {
  switch (step.$case) {
    case 'encode':
      return [1, step.value.patches];
    case 'prefill':
      return [1, step.value.tokens, step.value.squares];
    case 'decode':
      return [1, step.value.contextTokens, step.value.batch];
    default:
      return step satisfies never;
  }
}

function outcomeOf(said: wire.RequestOutcome, behindMs: number): Outcome {
  const { images, patches, promptTokens, cachedTokens, outputTokens, ttftMs, tpotMs } = said;
  // One that failed before its first token asked for that token all the same.
  const request = { images, patches, promptTokens, cachedTokens, outputTokens: Math.max(1, outputTokens) };
  const isKnown = promptTokens > 0 && cachedTokens < promptTokens;
  return { arrivalMs: Number(said.arrivalUnixMs) + behindMs, request: isKnown ? request : undefined, ttftMs, tpotMs };
}
