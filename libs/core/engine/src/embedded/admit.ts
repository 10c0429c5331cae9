import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { KvCopy } from '@tercet/kv';
import { chunkAt, type TokensPlan, type WorkId, withCachedTokens, withoutAdmission } from '@tercet/scheduler';
import { SlotExport } from './kv-export.js';
import type { DecodeWork, PrefillWork } from './work.js';
import type { WorkTable } from './work-table.js';

export interface AdmittedPlan {
  readonly plan: TokensPlan;
  /** To be done in this order before the step computes. */
  readonly copies: readonly KvCopy[];
}

/**
 * Gives the plan's work its memory: decodes grow first, then admissions in order. What cannot be had after all leaves
 * the plan and stays in the queue. Synchronous, so that no request comes or goes between the plan and its memory.
 */
export function admitPlanned(table: WorkTable, planned: TokensPlan): AdmittedPlan {
  let plan = growDecodes(table, planned);
  const copies: KvCopy[] = [];
  let full = false;
  for (const id of planned.admissions) {
    const work = table.works.get(id);
    assert(work?.kind === 'prefill' || work?.kind === 'decode', 'only sequences are admitted', { id });
    if (full || !fits(table, work)) {
      full = true;
      plan = withoutAdmission(plan, id);
    } else if (work.kind === 'decode') admitDecode(table, work);
    else plan = admitPrefill(table, work, { plan, copies });
  }
  return { plan, copies };
}

function fits(table: WorkTable, work: PrefillWork | DecodeWork): boolean {
  const waiting = table.state.waiting.find((other) => other.id === work.id);
  assert(waiting !== undefined, 'planned admission of what does not wait', { id: work.id });
  return table.kv.availableSlots > 0 && waiting.blocks <= table.kv.availableBlocks;
}

function admitDecode(table: WorkTable, work: DecodeWork): void {
  const tokens = work.roomTokens;
  const admission = table.kv.tryAdmit({ key: [], promptTokens: tokens, reserveTokens: tokens });
  assert(admission.kind === 'admitted', 'no room where there was', { tokens });
  work.hold = { slot: admission.slot, holds: 0 };
  table.takeHold(work.hold);
  work.admitted.resolve();
}

/**
 * The chunk begins where the stored prefix ends now; when that makes it larger than planned, it waits for a new plan.
 */
function admitPrefill(table: WorkTable, work: PrefillWork, out: { plan: TokensPlan; copies: KvCopy[] }): TokensPlan {
  const { task, demand } = work;
  const { promptTokens } = demand;
  const shape = { promptTokens, generatedTokens: task.generatedTokens };
  const cachedTokens = table.kv.cachedTokensFor(demand);
  const range = chunkAt(cachedTokens, shape, table.options.limits.chunkTokens);
  const planned = out.plan.chunks.find((chunk) => chunk.id === work.id);
  assert(planned !== undefined, 'admitted prompt without a chunk', { id: work.id });
  if (range.end - range.start > planned.end - planned.start) {
    table.state = withCachedTokens(table.state, work.id, cachedTokens);
    return withoutAdmission(out.plan, work.id);
  }
  const admission = table.kv.tryAdmit(demand);
  assert(admission.kind === 'admitted' && admission.cachedTokens === cachedTokens, 'lookup and admission differ');
  if (admission.copy !== undefined) out.copies.push(admission.copy);
  table.prefixCachedTokens += cachedTokens;
  startPrefill(table, work, admission);
  const chunk = { ...range, id: work.id, last: range.end === promptTokens };
  return { ...out.plan, chunks: out.plan.chunks.map((other) => (other.id === work.id ? chunk : other)) };
}

function startPrefill(
  table: WorkTable,
  work: PrefillWork,
  admission: { slot: PrefillSlot; cachedTokens: number },
): void {
  const { slot, cachedTokens } = admission;
  const hold = { slot, holds: 0 };
  table.takeHold(hold);
  table.takeHold(hold);
  const onRelease = () => table.letGo(hold);
  const kv = new SlotExport({ backend: table.backend, slot, tokens: work.task.tokenIds.length, onRelease });
  const atMs = table.options.clock.nowMs();
  work.admission = { hold, kv, cachedTokens, atMs };
  work.outputs.push({ kind: 'started', kv, cachedTokens, queueMs: atMs - work.queuedAtMs });
}

type PrefillSlot = NonNullable<PrefillWork['admission']>['hold']['slot'];

/** A decode whose next row has no room and can get none fails: the gateway replays it where there is room. */
function growDecodes(table: WorkTable, plan: TokensPlan): TokensPlan {
  const failed = new Set<WorkId>();
  for (const id of plan.decodes) {
    const work = table.works.get(id);
    assert(work?.kind === 'decode' && work.run !== undefined, 'planned decode does not run', { id });
    if (tryGrow(table, work, work.run.position)) continue;
    failed.add(id);
    table.fail(work, new TercetError('kv_full', { blocks: table.kv.blocksTotal, tokens: work.run.position + 1 }));
  }
  return failed.size === 0 ? plan : { ...plan, decodes: plan.decodes.filter((id) => !failed.has(id)) };
}

function tryGrow(table: WorkTable, work: DecodeWork, position: number): boolean {
  if (position < work.roomTokens) return true;
  assert(work.hold !== undefined, 'decode without a slot', { id: work.id });
  const ahead = Math.min(work.rowsMax, position + table.options.limits.decodeAheadTokens);
  for (const tokens of [ahead, position + 1]) {
    if (table.kv.tryGrow(work.hold.slot, tokens).kind === 'full') continue;
    work.roomTokens = tokens;
    return true;
  }
  return false;
}
