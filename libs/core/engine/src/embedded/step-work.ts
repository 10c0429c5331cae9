import type { StepPlan } from '@tercet/scheduler';
import type { StepWork } from '../work-log.js';
import type { WorkTable } from './work-table.js';

/**
 * What a planned step will compute; `undefined` for one whose time says nothing of a single stage: prompts and decodes
 * in one, texts to embed, a replayed text, whose rows go through other kernels.
 */
export function stepWorkOf(table: WorkTable, plan: StepPlan): StepWork | undefined {
  if (plan.kind === 'encode') {
    const patchesPerTile = table.backend.descriptor.media?.patchesPerTile ?? 0;
    return { stage: 'encode', patches: (plan.toUnit - plan.fromUnit) * patchesPerTile };
  }
  if (plan.kind !== 'tokens') return undefined;
  const { chunks, decodes } = plan;
  if (chunks.length > 0) {
    if (decodes.length > 0 || chunks.some(({ rows }) => rows === 'generated')) return undefined;
    let tokens = 0;
    let squares = 0;
    for (const { start, end } of chunks) {
      tokens += end - start;
      squares += (end - start) * (end + start);
    }
    return { stage: 'prefill', tokens, squares };
  }
  let contextTokens = 0;
  for (const id of decodes) {
    const work = table.works.get(id);
    if (work?.kind === 'decode' && work.run !== undefined) contextTokens += work.run.position + 1;
  }
  return { stage: 'decode', batch: decodes.length, contextTokens };
}
