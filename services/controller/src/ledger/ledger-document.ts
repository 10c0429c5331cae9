import { stageNames } from '@tercet/allocation';
import type { Ledger } from '@tercet/controller-core';
import { z } from 'zod';

const version = 1;

const Stage = z.enum(stageNames);
const Epoch = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt);
const Share = z.number();
const Split = z.strictObject({ encode: z.int(), prefill: z.int(), decode: z.int(), serve: z.int() });

const Replacement = z.strictObject({
  phase: z.enum(['surging', 'replacing', 'retiring']),
  standInId: z.string().exactOptional(),
});
const Sleep = z.strictObject({
  state: z.enum(['asleep', 'waking']),
  sinceMs: z.number(),
  idleSinceMs: z.number(),
  wasEmpty: z.boolean(),
});
/** Absent in ledgers of the version that had no sleep. */
const Times = z.array(z.number()).default([]);

const Verdict = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('kept'), realised: Share, counterfactual: Share }),
  z.strictObject({ kind: z.literal('taken back'), realised: Share, counterfactual: Share }),
  z.strictObject({ kind: z.literal('replaced') }),
]);

/** The ledger as it is written down: JSON, with a version, and with epochs as text. */
export const LedgerDocument = z
  .strictObject({
    version: z.literal(version),
    assignments: z.array(z.strictObject({ podId: z.string(), role: Stage, epoch: Epoch })),
    moves: z.array(
      z.strictObject({
        podId: z.string(),
        from: Stage,
        to: Stage,
        fromEpoch: Epoch,
        begunMs: z.number(),
        reason: z.enum(['better', 'take back', 'repair', 'asked']),
        decision: z.int().min(0),
        replacement: Replacement.exactOptional(),
      }),
    ),
    past: z.array(z.strictObject({ from: Stage, to: Stage, begunMs: z.number() })),
    decisions: z.array(
      z.strictObject({
        id: z.int().min(1),
        begunMs: z.number(),
        before: Split,
        target: Split,
        expected: z.strictObject({ current: Share, target: Share }),
        baseline: z.strictObject({ realised: Share, simulated: Share }),
        doneMs: z.number().exactOptional(),
        verdict: Verdict.exactOptional(),
      }),
    ),
    sleep: Sleep.exactOptional(),
    pausesMs: Times,
    wakesMs: Times,
  })
  .transform(({ version: _, ...ledger }): Ledger => ledger);

export function toDocument(ledger: Ledger): z.input<typeof LedgerDocument> {
  const { assignments, moves, past, decisions, pausesMs, wakesMs, ...sleep } = ledger;
  return {
    version,
    ...sleep,
    assignments: assignments.map((assignment) => ({ ...assignment, epoch: String(assignment.epoch) })),
    moves: moves.map((move) => ({ ...move, fromEpoch: String(move.fromEpoch) })),
    past: [...past],
    decisions: [...decisions],
    pausesMs: [...pausesMs],
    wakesMs: [...wakesMs],
  };
}
