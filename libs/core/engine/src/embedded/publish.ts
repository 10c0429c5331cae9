import { toTercetError } from '@tercet/contracts';
import type { StepPlan } from '@tercet/scheduler';
import type { SampledToken } from '../stage-engine.js';
import type { ComputedChunk, ComputedStep } from './compute.js';
import type { DecodeWork, Work } from './work.js';
import type { WorkTable } from './work-table.js';

/**
 * Samples from the step's logits and gives every request what is ready. A request that ended meanwhile gets nothing.
 */
export function publishStep(table: WorkTable, plan: StepPlan, step: Exclude<ComputedStep, { kind: 'failed' }>): void {
  if (step.kind === 'units') {
    if (plan.kind === 'encode' || plan.kind === 'embed') publishUnits(table, step.work, plan.toUnit);
    return;
  }
  for (const chunk of step.chunks) publishChunk(table, chunk);
  for (const { work, logits } of step.decodes) publishDecode(table, work, logits);
}

function publishUnits(table: WorkTable, work: Work, unitsDone: number): void {
  if (work.failure !== undefined || (work.kind !== 'encode' && work.kind !== 'embed')) return;
  if (unitsDone < work.unitTokens.length) return;
  if (work.kind === 'encode') work.done.resolve(work.out);
  else work.done.resolve(work.out);
  table.end(work);
}

function publishChunk(table: WorkTable, { work, chunk, logits }: ComputedChunk): void {
  const { admission } = work;
  if (admission === undefined) return;
  table.kv.register(admission.hold.slot, work.demand.key, chunk.end);
  if (work.failure !== undefined || logits === undefined) return;
  const token = trySample(table, work, { logits, position: chunk.end });
  if (token === undefined) return;
  const endOfText = endsText(table, work, token);
  const computeMs = table.options.clock.nowMs() - admission.atMs;
  work.outputs.push({ kind: 'firstToken', token, endOfText, computeMs });
  work.outputs.end();
  table.end(work);
}

function publishDecode(table: WorkTable, work: DecodeWork, logits: Float32Array): void {
  const { run, task, outputs } = work;
  if (work.failure !== undefined || run === undefined) return;
  const token = trySample(table, work, { logits, position: run.position + 1 });
  if (token === undefined) return;
  if (endsText(table, work, token)) {
    finishDecode(table, work, 'stop');
    return;
  }
  run.position++;
  run.produced++;
  run.tokenId = token.tokenId;
  outputs.push({ kind: 'token', token });
  if (run.produced >= task.tokensMax || run.position >= work.rowsMax) finishDecode(table, work, 'length');
}

/** Ends the text; the slot stays with the session until it is disposed. */
export function finishDecode(table: WorkTable, work: DecodeWork, reason: 'stop' | 'length'): void {
  const { run, outputs } = work;
  const computeMs = run === undefined ? 0 : table.options.clock.nowMs() - run.startedAtMs;
  outputs.push({ kind: 'finished', reason, tokens: run?.produced ?? 0, computeMs });
  outputs.end();
  table.end(work);
}

/** A sampler that throws (a grammar without a way on) fails its own request only. */
function trySample(
  table: WorkTable,
  work: Extract<Work, { kind: 'prefill' | 'decode' }>,
  at: { logits: Float32Array; position: number },
): SampledToken | undefined {
  try {
    return work.sampler.sample(at.logits, at.position);
  } catch (error) {
    table.fail(work, toTercetError(error, 'stage_failed'));
    return undefined;
  }
}

function endsText(table: WorkTable, work: Extract<Work, { kind: 'prefill' | 'decode' }>, token: SampledToken): boolean {
  return !work.task.sampling.ignoreEos && table.options.endOfTextTokenIds.has(token.tokenId);
}
