import { type Move, movesBetween, type Proposal, type Situation, type StageName, stageNames } from '@tercet/allocation';
import {
  type BegunMove,
  type Decision,
  type Ledger,
  type Verdict,
  withAssignment,
  withDecision,
  withMoves,
} from './ledger.js';
import { type PodState, type PoolSpec, splitOf } from './pool.js';
import { type Finding, settle } from './settle.js';

/** What a pod is asked to become. It refuses when its epoch is another one by then. */
export interface Ask {
  readonly podId: string;
  readonly role: StageName;
  readonly expectedEpoch: bigint;
}

export interface PassInput {
  readonly ledger: Ledger;
  readonly pods: readonly PodState[];
  readonly spec: PoolSpec;
  readonly nowMs: number;
  /** Pods that are being asked right now. */
  readonly performing: ReadonlySet<string>;
  /** What would be better; asked for at most once a pass, and only when nothing is more urgent. */
  propose(situation: Pick<Situation, 'nowMs' | 'current' | 'limits' | 'moving' | 'recent'>): Proposal | undefined;
  /** Share of requests that met the objectives lately, and what the simulator says of the same ones. */
  baseline(): Decision['baseline'];
  /** What came of a decision, by the requests since it was done; `undefined` while they are too few to tell. */
  judge(decision: Decision): { readonly realised: number; readonly counterfactual: number } | undefined;
}

export interface Pass {
  /** Has to be written down before the pods are asked. */
  readonly ledger: Ledger;
  /** The one kind of change that this pass makes. */
  readonly kind: 'assign' | 'take back' | 'repair' | 'move' | 'recommend' | 'rest';
  readonly asks: readonly Ask[];
  readonly findings: readonly Finding[];
  readonly proposal?: Proposal;
  readonly judged?: Decision;
}

/**
 * One pass of the controller: first what is known is brought up to date, then one kind of change is made, the most
 * urgent one. Roles that were recorded are given back, a decision that hurt is taken back, and only then something new
 * is proposed. It decides and does nothing.
 */
export function planPass(input: PassInput): Pass {
  const { pods, nowMs, performing, spec } = input;
  const { ledger, findings } = settle(input.ledger, pods, { nowMs, performing });
  const settled = { ...input, ledger };
  const assigns = assignments(settled);
  if (assigns.length > 0) {
    const assigned = assigns.reduce(
      (known, { podId, role, expectedEpoch }) => withAssignment(known, { podId, role, epoch: expectedEpoch }),
      ledger,
    );
    return { ledger: assigned, kind: 'assign', asks: assigns, findings };
  }
  const judged = judgeLast(settled);
  if (judged?.verdict?.kind === 'taken back') return { ...takeBack(settled, judged), findings, judged };
  const known = judged === undefined ? ledger : withDecision(ledger, judged);
  const more = judged === undefined ? {} : { judged };
  if (spec.policy === 'manual') return { ledger: known, kind: 'rest', asks: [], findings, ...more };
  const repair = begin({ ...settled, ledger: known }, spec.policy === 'auto' ? missing(settled) : []);
  if (repair.asks.length > 0) return { ...repair, kind: 'repair', findings, ...more };
  return { ...moveOn({ ...settled, ledger: known }), findings, ...more };
}

/** Moves to the stages that have fewer pods than they must, from those that can spare the most. */
function missing({ ledger, pods, spec: { least } }: PassInput): Move[] {
  const counts = { ...splitOf(ledger, pods) };
  const spare = (stage: StageName) => counts[stage] - least[stage];
  const moves: Move[] = [];
  for (const to of stageNames) {
    while (spare(to) < 0) {
      const from = stageNames.reduce((a, b) => (spare(b) > spare(a) ? b : a));
      if (spare(from) <= 0) return moves;
      moves.push({ from, to });
      counts[from]--;
      counts[to]++;
    }
  }
  return moves;
}

/** Pods that returned without a role, or with another one than they should have; new ones go where the fewest are. */
function assignments({ ledger, pods, performing }: PassInput): Ask[] {
  const counts = { ...splitOf(ledger, pods) };
  return pods.flatMap(({ podId, role, epoch, phase }) => {
    if (performing.has(podId) || ledger.moves.some((move) => move.podId === podId)) return [];
    if (phase !== 'unassigned' && phase !== 'ready') return [];
    const recorded = ledger.assignments.find((assignment) => assignment.podId === podId)?.role;
    const wanted = recorded ?? role ?? stageNames.reduce((a, b) => (counts[b] < counts[a] ? b : a));
    if (wanted === role) return [];
    if (recorded === undefined) counts[wanted]++;
    return [{ podId, role: wanted, expectedEpoch: epoch }];
  });
}

/** The last decision with its verdict, once it is due. */
function judgeLast({ ledger, spec, nowMs, judge }: PassInput): Decision | undefined {
  const decision = ledger.decisions.at(-1);
  if (decision?.doneMs === undefined || decision.verdict !== undefined) return undefined;
  if (nowMs - decision.doneMs < spec.verifyMs) return undefined;
  const found = judge(decision);
  if (found === undefined) return undefined;
  const isWorse = found.realised < found.counterfactual - spec.lossMax;
  return { ...decision, verdict: { kind: isWorse ? 'taken back' : 'kept', ...found } };
}

function takeBack(input: PassInput, judged: Decision): Pick<Pass, 'ledger' | 'kind' | 'asks'> {
  const known = withDecision(input.ledger, judged);
  const current = splitOf(known, input.pods);
  const isSame = current.encode + current.prefill + current.decode === sizeOf(judged.before);
  const moves = isSame && input.spec.policy === 'auto' ? movesBetween(current, judged.before) : [];
  const { ledger, asks } = begin({ ...input, ledger: known }, moves.slice(0, input.spec.unavailableMax));
  return { ledger, kind: asks.length > 0 ? 'take back' : 'rest', asks };
}

function moveOn(input: PassInput): Omit<Pass, 'findings'> {
  const { ledger, pods, spec, nowMs } = input;
  const current = splitOf(ledger, pods);
  if (stageNames.some((stage) => current[stage] === 0)) return { ledger, kind: 'rest', asks: [] };
  const { least, most, unavailableMax, dwellMs, gainMin, urgentGain } = spec;
  const proposal = input.propose({
    nowMs,
    current,
    limits: { least, most, unavailableMax, dwellMs, gainMin, urgentGain },
    moving: ledger.moves,
    recent: ledger.past.map((move) => ({ ...move, agoMs: nowMs - move.begunMs })),
  });
  if (proposal === undefined) return { ledger, kind: 'rest', asks: [] };
  if (proposal.kind !== 'move') return { ledger, kind: 'rest', asks: [], proposal };
  if (spec.policy === 'recommend') return { ledger, kind: 'recommend', asks: [], proposal };
  const begun = begin(input, proposal.moves);
  if (begun.asks.length === 0) return { ledger, kind: 'rest', asks: [], proposal };
  const last = ledger.decisions.at(-1);
  const replaced: Verdict = { kind: 'replaced' };
  // What was still to be judged is not any more: the split is another one now.
  const before =
    last === undefined || last.verdict !== undefined
      ? begun.ledger
      : withDecision(begun.ledger, { ...last, verdict: replaced });
  const decision: Decision = {
    id: (last?.id ?? 0) + 1,
    begunMs: nowMs,
    before: current,
    target: proposal.target,
    expected: proposal.expected,
    baseline: input.baseline(),
  };
  return { ledger: withDecision(before, decision), kind: 'move', asks: begun.asks, proposal };
}

/** The least busy pods of the stages leave them; one that is the last to serve its stage stays. */
function begin(
  { ledger, pods, performing, nowMs }: PassInput,
  moves: readonly Move[],
): { ledger: Ledger; asks: Ask[] } {
  const begun: BegunMove[] = [];
  const isFree = ({ podId, phase }: PodState) =>
    phase === 'ready' && !performing.has(podId) && ![...ledger.moves, ...begun].some((move) => move.podId === podId);
  for (const { from, to } of moves) {
    const there = pods.filter((pod) => pod.role === from && isFree(pod));
    if (there.length < 2) continue;
    const { podId, epoch } = there.reduce((a, b) => (busyOf(b) < busyOf(a) ? b : a));
    begun.push({ podId, from, to, fromEpoch: epoch, begunMs: nowMs });
  }
  const asks = begun.map(({ podId, to, fromEpoch }) => ({ podId, role: to, expectedEpoch: fromEpoch }));
  return { ledger: withMoves(ledger, begun), asks };
}

function sizeOf({ encode, prefill, decode }: Decision['before']): number {
  return encode + prefill + decode;
}

function busyOf({ running, waiting }: PodState): number {
  return running + waiting;
}
