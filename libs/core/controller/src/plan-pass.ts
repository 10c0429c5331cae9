import { type Move, movesBetween, type Proposal, type Situation, type StageName, stageNames } from '@tercet/allocation';
import {
  type BegunMove,
  type Decision,
  type Ledger,
  withAssignment,
  withDecision,
  withLastReplaced,
  withMoves,
} from './ledger.js';
import { isInPlace, membersOf, type PodState, type PoolSpec, splitOf } from './pool.js';
import { limitProblems, objectiveProblems, type Problem } from './problems.js';
import { type SurgeRoom, surge, toTakeDown, withStandIns } from './replacement.js';
import { type Finding, settle } from './settle.js';

/** What a pod is asked to become. It refuses when its epoch is another one by then. */
export interface Ask {
  readonly podId: string;
  readonly role: StageName;
  readonly expectedEpoch: bigint;
  /** Its new epoch is above this one, which was recorded of it; higher than the expected one after a restart. */
  readonly aboveEpoch: bigint;
}

export interface PassInput {
  readonly ledger: Ledger;
  readonly pods: readonly PodState[];
  readonly spec: PoolSpec;
  readonly nowMs: number;
  /** Pods that are being asked right now. */
  readonly performing: ReadonlySet<string>;
  /** Where pods that cannot change their stage in place are replaced; absent where none can be: they stay. */
  readonly room?: SurgeRoom | undefined;
  /** What would be better; asked for at most once a pass, and only when nothing is more urgent. */
  propose(
    situation: Pick<Situation, 'nowMs' | 'current' | 'limits' | 'moving' | 'recent'>,
  ): Promise<Proposal | undefined>;
  /** Share of requests that met the objectives lately, and what the simulator says of the same ones. */
  baseline(): Promise<Decision['baseline']>;
  /** What came of a decision, by the requests since it was done; `undefined` while they are too few to tell. */
  judge(decision: Decision): Promise<{ readonly realised: number; readonly counterfactual: number } | undefined>;
}

export interface Pass {
  /** Has to be written down before the pods are asked. */
  readonly ledger: Ledger;
  /** The one kind of change that this pass makes. */
  readonly kind: 'assign' | 'take back' | 'repair' | 'move' | 'recommend' | 'rest';
  readonly asks: readonly Ask[];
  /** Pods that go now, to return in another role. */
  readonly takeDowns: readonly string[];
  readonly findings: readonly Finding[];
  /** What a person has to change; empty when all is well. */
  readonly problems: readonly Problem[];
  readonly proposal?: Proposal;
  readonly judged?: Decision;
}

/**
 * One pass of the controller: first what is known is brought up to date, then one kind of change is made, the most
 * urgent one. Roles that were recorded are given back, a decision that hurt is taken back, and only then something new
 * is proposed. It decides and does nothing.
 */
export async function planPass(input: PassInput): Promise<Pass> {
  const pass = await oneChange(input);
  return { ...pass, takeDowns: toTakeDown(pass.ledger, input.pods) };
}

type Change = Omit<Pass, 'takeDowns'>;

async function oneChange(input: PassInput): Promise<Change> {
  const { nowMs, performing, spec, room } = input;
  const pods = input.pods.filter(({ refusesCalls }) => refusesCalls !== true);
  const refusing = input.pods.filter(({ refusesCalls }) => refusesCalls === true);
  const { ledger, findings: learnt } = settle(input.ledger, pods, { nowMs, performing, room });
  const findings = [...learnt, ...refusing.map(({ podId }) => ({ kind: 'refuses its role', podId }) as const)];
  const settled = { ...input, pods, ledger };
  // A pod beyond the size of the pool stands in for another, or is on its way out.
  const members = membersOf(ledger, pods).filter(({ podId }) => podId !== room?.standInId);
  const counted = { ...settled, pods: members };
  const problems = ledger.sleep === undefined ? limitProblems(spec, members.length) : [];
  const assigns = assignments(settled);
  if (assigns.length > 0) {
    const assigned = assigns.reduce(
      (known, { podId, role, aboveEpoch }) => withAssignment(known, { podId, role, epoch: aboveEpoch }),
      ledger,
    );
    return { ledger: assigned, kind: 'assign', asks: assigns, findings, problems };
  }
  const judged = await judgeLast(settled);
  if (judged?.verdict?.kind === 'taken back') return { ...takeBack(counted, judged), findings, problems, judged };
  const known = judged === undefined ? ledger : withDecision(ledger, judged);
  const more = judged === undefined ? {} : { judged };
  const rest: Change = { ledger: known, kind: 'rest', asks: [], findings, problems, ...more };
  // While a pool wakes, its pods return one by one to the roles that they had.
  if (spec.policy === 'manual' || ledger.sleep !== undefined) return rest;
  const lacking = spec.policy === 'auto' ? missing(counted) : [];
  const repair = begin({ ...counted, ledger: known }, lacking, { reason: 'repair', decision: 0 });
  if (repair.ledger !== known) return { ...rest, ...repair, kind: 'repair' };
  return problems.length > 0 ? rest : { ...rest, ...(await moveOn({ ...counted, ledger: known })) };
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

/**
 * Pods that returned without a role, or with another one or an earlier epoch than they should have. New ones go where
 * the fewest are.
 */
function assignments({ ledger, pods, performing }: PassInput): Ask[] {
  // Those that are away return to their stage: it is not for others to fill.
  const away = ledger.assignments.filter(({ podId }) => !pods.some((pod) => pod.podId === podId));
  const counts = { ...splitOf(ledger, [...pods, ...away]) };
  return pods.flatMap(({ podId, role, epoch, phase }) => {
    const move = ledger.moves.find((begun) => begun.podId === podId);
    if (performing.has(podId) || (move !== undefined && !(move.replacement && phase === 'unassigned'))) return [];
    if (phase !== 'unassigned' && phase !== 'ready') return [];
    const recorded = ledger.assignments.find((assignment) => assignment.podId === podId);
    const wanted = move?.to ?? recorded?.role ?? role ?? stageNames.reduce((a, b) => (counts[b] < counts[a] ? b : a));
    const aboveEpoch = later(epoch, recorded?.epoch);
    if (wanted === role && epoch === aboveEpoch) return [];
    if (recorded === undefined) counts[wanted]++;
    return [{ podId, role: wanted, expectedEpoch: epoch, aboveEpoch }];
  });
}

/** The last decision with its verdict, once it is due. */
async function judgeLast({ ledger, spec, nowMs, judge }: PassInput): Promise<Decision | undefined> {
  const decision = ledger.decisions.at(-1);
  if (decision?.doneMs === undefined || decision.verdict !== undefined) return undefined;
  if (nowMs - decision.doneMs < spec.verifyMs) return undefined;
  const found = await judge(decision);
  if (found === undefined) return undefined;
  const isWorse = found.realised < found.counterfactual - spec.lossMax;
  return { ...decision, verdict: { kind: isWorse ? 'taken back' : 'kept', ...found } };
}

function takeBack(input: PassInput, judged: Decision): Pick<Change, 'ledger' | 'kind' | 'asks'> {
  const known = withDecision(input.ledger, judged);
  const current = splitOf(known, input.pods);
  const isSame = current.encode + current.prefill + current.decode === sizeOf(judged.before);
  const moves = isSame && input.spec.policy === 'auto' ? movesBetween(current, judged.before) : [];
  const why = { reason: 'take back', decision: judged.id } as const;
  const { ledger, asks } = begin({ ...input, ledger: known }, moves.slice(0, input.spec.unavailableMax), why);
  return { ledger, kind: ledger === known ? 'rest' : 'take back', asks };
}

async function moveOn(input: PassInput): Promise<Omit<Change, 'findings' | 'judged'>> {
  const { ledger, pods, spec, nowMs } = input;
  const current = splitOf(ledger, pods);
  const rest = { ledger, kind: 'rest', asks: [], problems: [] } as const;
  if (stageNames.some((stage) => current[stage] === 0)) return rest;
  const { least, most, unavailableMax, dwellMs, gainMin, urgentGain } = spec;
  const proposal = await input.propose({
    nowMs,
    current,
    limits: { least, most, unavailableMax, dwellMs, gainMin, urgentGain },
    moving: ledger.moves,
    recent: ledger.past.map((move) => ({ ...move, agoMs: nowMs - move.begunMs })),
  });
  if (proposal === undefined) return rest;
  const known = { ...rest, proposal, problems: objectiveProblems(spec, proposal) };
  if (proposal.kind !== 'move') return known;
  if (spec.policy === 'recommend') return { ...known, kind: 'recommend' };
  const id = (ledger.decisions.at(-1)?.id ?? 0) + 1;
  const begun = begin(input, proposal.moves, { reason: 'better', decision: id });
  if (begun.ledger === ledger) return known;
  const decision: Decision = {
    id,
    begunMs: nowMs,
    before: current,
    target: proposal.target,
    expected: proposal.expected,
    baseline: await input.baseline(),
  };
  return { ...known, ledger: withDecision(withLastReplaced(begun.ledger), decision), kind: 'move', asks: begun.asks };
}

/**
 * The least busy pods of the stages leave them; one that is the last to serve its stage stays. One at a time is
 * replaced.
 * @returns the ledger as it was when nothing begins
 */
function begin(
  { ledger, pods, performing, nowMs, spec, room }: PassInput,
  moves: readonly Move[],
  why: Pick<BegunMove, 'reason' | 'decision'>,
): { ledger: Ledger; asks: Ask[] } {
  const begun: BegunMove[] = [];
  const isFree = ({ podId, phase }: PodState) =>
    phase === 'ready' && !performing.has(podId) && ![...ledger.moves, ...begun].some((move) => move.podId === podId);
  for (const { from, to } of moves) {
    const there = pods.filter((pod) => pod.role === from && isFree(pod));
    if (there.length < 2) continue;
    const replacement = isInPlace(spec, { from, to }) ? undefined : surge([...ledger.moves, ...begun], room);
    if (replacement === 'no room') continue;
    const { podId, epoch } = there.reduce((a, b) => (busyOf(b) < busyOf(a) ? b : a));
    const move = { podId, from, to, fromEpoch: epoch, begunMs: nowMs, ...why };
    begun.push(replacement === undefined ? move : { ...move, replacement });
  }
  if (begun.length === 0) return { ledger, asks: [] };
  return { ledger: withStandIns(withMoves(ledger, begun)), asks: begun.filter(isAsked).map(askOf) };
}

function isAsked({ replacement }: BegunMove): boolean {
  return replacement === undefined;
}

/** What the pod of a move is asked. */
export function askOf({ podId, to, fromEpoch }: BegunMove): Ask {
  return { podId, role: to, expectedEpoch: fromEpoch, aboveEpoch: fromEpoch };
}

function later(epoch: bigint, recorded = 0n): bigint {
  return epoch > recorded ? epoch : recorded;
}

function sizeOf({ encode, prefill, decode }: Decision['before']): number {
  return encode + prefill + decode;
}

function busyOf({ running, waiting }: PodState): number {
  return running + waiting;
}
