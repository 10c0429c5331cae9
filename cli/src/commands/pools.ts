import { disaggregated, nameOf } from '@tercet/allocation';
import { z } from 'zod';
import { type Colours, printable } from '../terminal/terminal.js';

const Counts = z.object({ encode: z.number(), prefill: z.number(), decode: z.number() });
const Share = z.number().min(0).max(1);

/** What `/tercet/cluster` tells of each pool; what is not shown here is left out. */
export const Pools = z.object({
  pools: z.array(
    z.object({
      model: z.string(),
      isCurrent: z.boolean(),
      spec: z.object({ policy: z.string() }),
      split: Counts,
      problems: z.array(z.string()),
      recent: z.object({ spanMs: z.number(), requests: z.number(), met: z.number() }),
      decisions: z.array(
        z.object({
          id: z.number(),
          begunUnixMs: z.number(),
          before: Counts,
          target: Counts,
          expectedBefore: Share,
          expectedAfter: Share,
          state: z.string(),
          realisedAfter: Share.optional(),
          counterfactual: Share.optional(),
        }),
      ),
      proposal: z
        .object({ kind: z.string(), reason: z.string(), target: Counts, expectedNow: Share, expectedThen: Share })
        .optional(),
    }),
  ),
});
export type Pool = z.infer<typeof Pools>['pools'][number];

/** How a pool does, what was decided last and why, and what is wrong with it. */
export function poolLines(
  { model, isCurrent, spec, split, problems, recent, ...told }: Pool,
  colours: Colours,
): string[] {
  const silent = isCurrent ? '' : colours.yellow(' (its controller does not answer)');
  const head = `${printable(model)}: ${splitName(split)}, ${printable(spec.policy)}${silent}`;
  return [
    `${colours.bold(head)}${recentText(recent)}`,
    ...decisionLines(told.decisions.at(-1)),
    ...proposalLines(told.proposal, { policy: spec.policy, split }),
    ...problems.map((problem) => colours.yellow(printable(problem))),
  ];
}

function recentText({ spanMs, requests, met }: Pool['recent']): string {
  if (requests === 0) return '';
  const goodput = ((met * 1000) / spanMs).toFixed(2);
  return `; ${percent(met / requests)} of the last ${requests} requests met the objectives, ${goodput} a second`;
}

function decisionLines(decision: Pool['decisions'][number] | undefined): string[] {
  if (decision === undefined) return [];
  const { id, begunUnixMs, before, target, expectedBefore, expectedAfter, state } = decision;
  const { realisedAfter, counterfactual } = decision;
  const came =
    realisedAfter === undefined || counterfactual === undefined
      ? ''
      : `: ${percent(realisedAfter)}, without it ${percent(counterfactual)}`;
  return [
    `decision ${id} at ${clockOf(begunUnixMs)}: ${splitName(before)} to ${splitName(target)}, ` +
      `predicted ${percent(expectedBefore)} to ${percent(expectedAfter)}, ${printable(state)}${came}`,
  ];
}

function proposalLines(
  proposal: Pool['proposal'],
  { policy, split }: { readonly policy: string; readonly split: Pool['split'] },
): string[] {
  if (proposal === undefined) return [];
  const { kind, reason, target, expectedNow, expectedThen } = proposal;
  const better = `${splitName(target)}, predicted ${percent(expectedNow)} to ${percent(expectedThen)}`;
  if (kind === 'move' && policy === 'recommend') return [`recommends ${better}`];
  if (splitName(target) === splitName(split)) return [];
  return kind === 'move' ? [] : [`thinks of ${better}, and waits: ${printable(reason)}`];
}

function splitName({ encode, prefill, decode }: Pool['split']): string {
  return nameOf(disaggregated(encode, prefill, decode));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Time of day here. */
function clockOf(unixMs: number): string {
  return new Date(unixMs).toTimeString().slice(0, 8);
}
