import { assert } from '@tercet/base';
import { type TercetError, toTercetError } from '@tercet/contracts';
import type { KvCopy } from '@tercet/kv';
import type { PlannedChunk, StepPlan, TokensPlan } from '@tercet/scheduler';
import type { DecodeRow, PrefillChunk, StepLogits } from '../backend.js';
import type { DecodeWork, EmbedWork, EncodeWork, PrefillWork } from './work.js';
import type { WorkTable } from './work-table.js';

export interface StepOrder {
  readonly plan: StepPlan;
  readonly copies: readonly KvCopy[];
  readonly threads: number;
  readonly signal: AbortSignal;
}

export interface ComputedChunk {
  readonly work: PrefillWork;
  readonly chunk: PlannedChunk;
  readonly logits: Float32Array | undefined;
}

export type ComputedStep =
  | {
      readonly kind: 'tokens';
      readonly decodes: readonly { readonly work: DecodeWork; readonly logits: Float32Array }[];
      readonly chunks: readonly ComputedChunk[];
    }
  | { readonly kind: 'units'; readonly work: EncodeWork | EmbedWork }
  | { readonly kind: 'failed'; readonly error: TercetError };

/** Runs a plan on the backend. A failure of the backend is a value: the step's requests get it, the loop goes on. */
export async function computePlan(table: WorkTable, order: StepOrder): Promise<ComputedStep> {
  try {
    const { plan } = order;
    if (plan.kind === 'tokens') return await computeTokens(table, plan, order);
    assert(plan.kind !== 'idle', 'nothing to compute');
    const work = table.works.get(plan.id);
    assert(work?.kind === 'encode' || work?.kind === 'embed', 'planned units without a request', plan);
    const units = { from: plan.fromUnit, to: plan.toUnit };
    await (work.kind === 'encode'
      ? encodeUnits(table, work, { ...order, ...units })
      : embedUnits(table, work, { ...order, ...units }));
    return { kind: 'units', work };
  } catch (error) {
    return { kind: 'failed', error: toTercetError(error, 'stage_failed') };
  }
}

async function computeTokens(table: WorkTable, plan: TokensPlan, order: StepOrder): Promise<ComputedStep> {
  const { backend } = table;
  const chunks = plan.chunks.map((chunk) => ({ chunk, work: prefillOf(table, chunk) }));
  const decodes = plan.decodes.map((id) => decodeOf(table, id));
  if (chunks.length + decodes.length === 0) return { kind: 'tokens', decodes: [], chunks: [] };
  for (const { fromSlot, toSlot, tokens } of order.copies) await backend.copyKv(fromSlot, toSlot, tokens);
  const exported = chunks.filter(({ chunk }) => chunk.last).map(({ work }) => work.admission?.kv);
  const onLayersReady = (layersDone: number) => {
    for (const kv of exported) kv?.advance(layersDone);
  };
  const step = {
    prefills: chunks.map(({ chunk, work }) => prefillChunk(work, chunk)),
    decodes: decodes.map(decodeRow),
    threads: order.threads,
    onLayersReady,
  };
  const logits = await backend.run(step, order.signal);
  onLayersReady(backend.descriptor.layerCount);
  return {
    kind: 'tokens',
    decodes: decodes.map((work, i) => ({ work, logits: logitsAt(logits.decodes, i) })),
    chunks: chunks.map(({ chunk, work }, i) => ({
      work,
      chunk,
      logits: chunk.last ? logitsAt(logits.prefills, i) : undefined,
    })),
  };
}

function prefillChunk(work: PrefillWork, chunk: PlannedChunk): PrefillChunk {
  const { start, end, rows, last } = chunk;
  const { tokenIds, media } = work.task;
  const slot = work.admission?.hold.slot;
  assert(slot !== undefined, 'chunk of a prompt without a slot', chunk);
  const covering = media.filter((span) => span.start < end && span.start + span.tokens > start);
  return {
    slot,
    start,
    tokenIds: tokenIds.subarray(start, end),
    media: covering.map((span) => {
      const from = Math.max(span.start, start);
      const to = Math.min(span.start + span.tokens, end);
      const dim = span.rows.length / span.tokens;
      const mediaRows = span.rows.subarray((from - span.start) * dim, (to - span.start) * dim);
      return { start: from, tokens: to - from, rows: mediaRows };
    }),
    rows,
    wantsLogits: last,
  };
}

function decodeRow(work: DecodeWork): DecodeRow {
  const { hold, run } = work;
  assert(hold !== undefined && run !== undefined, 'decode without a slot or a token', { id: work.id });
  return { slot: hold.slot, position: run.position, tokenId: run.tokenId };
}

type Units = StepOrder & { readonly from: number; readonly to: number };

async function encodeUnits(table: WorkTable, work: EncodeWork, units: Units): Promise<void> {
  const { media } = table.backend.descriptor;
  assert(media !== undefined, 'encode without a vision tower');
  const tileValues = 3 * media.tileSize * media.tileSize;
  const pixels = work.task.pixels.subarray(units.from * tileValues, units.to * tileValues);
  const batch = { pixels, tileCount: units.to - units.from, threads: units.threads };
  const rows = await table.backend.encodeTiles(batch, units.signal);
  work.out.set(rows, units.from * media.tokensPerTile * media.dim);
}

async function embedUnits(table: WorkTable, work: EmbedWork, units: Units): Promise<void> {
  for (let i = units.from; i < units.to; i++) {
    const tokenIds = work.task.inputs[i] as Uint32Array;
    work.out[i] = await table.backend.embed({ tokenIds, threads: units.threads }, units.signal);
  }
}

function prefillOf(table: WorkTable, chunk: PlannedChunk): PrefillWork {
  const work = table.works.get(chunk.id);
  assert(work?.kind === 'prefill', 'planned chunk without a prompt', chunk);
  return work;
}

function decodeOf(table: WorkTable, id: DecodeWork['id']): DecodeWork {
  const work = table.works.get(id);
  assert(work?.kind === 'decode', 'planned decode without a sequence', { id });
  return work;
}

function logitsAt(logits: StepLogits['prefills'], i: number): Float32Array {
  const row = logits[i];
  assert(row !== undefined, 'backend left out logits that were asked for', { i });
  return row;
}
