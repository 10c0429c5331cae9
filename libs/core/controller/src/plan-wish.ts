import type { StageName } from '@tercet/allocation';
import { TercetError } from '@tercet/contracts';
import { type BegunMove, type Ledger, withLastReplaced, withMoves } from './ledger.js';
import type { PassInput } from './plan-pass.js';
import { isInPlace, membersOf, splitOf } from './pool.js';
import { surge, withStandIns } from './replacement.js';

/** A role that a person wants a pod to have. */
export interface Wish {
  readonly podId: string;
  readonly role: StageName;
  /** The epoch that the person saw; without one, whatever it is. */
  readonly expectedEpoch?: bigint;
}

/**
 * The move that a person asks for, written down like any other; `undefined` when the pod serves that role already.
 * @throws invalid_request for a pod that is not there, or when its stage would have fewer pods than it must;
 *   epoch_stale when the pod moved on since the person looked; role_switch_failed while it moves
 */
export function planWish(
  {
    ledger,
    pods,
    spec,
    nowMs,
    performing,
    room,
  }: Pick<PassInput, 'ledger' | 'pods' | 'spec' | 'nowMs' | 'performing' | 'room'>,
  { podId, role, expectedEpoch }: Wish,
): { readonly ledger: Ledger; readonly move: BegunMove } | undefined {
  const pod = pods.find((state) => state.podId === podId);
  if (pod === undefined) throw new TercetError('invalid_request', { podId, pods: pods.map((state) => state.podId) });
  const { epoch, role: from, phase } = pod;
  if (expectedEpoch !== undefined && expectedEpoch !== epoch)
    throw new TercetError('epoch_stale', { epoch, expectedEpoch });
  const isStandIn = membersOf(ledger, [pod]).length === 0;
  const isMoving = isStandIn || performing.has(podId) || ledger.moves.some((move) => move.podId === podId);
  if (isMoving || from === undefined || phase !== 'ready') {
    throw new TercetError('role_switch_failed', { podId, reason: 'it is moving already, or has no role yet' });
  }
  if (from === role) return undefined;
  const left = splitOf(ledger, pods)[from] - 1;
  const least = spec.least[from];
  if (left < least) throw new TercetError('invalid_request', { podId, stage: from, left, least });
  const replacement = isInPlace(spec, { from, to: role }) ? undefined : surge(ledger.moves, room);
  if (replacement === 'no room') {
    throw new TercetError('role_switch_failed', { podId, reason: 'it has to be replaced, and none can be now' });
  }
  const asked = { podId, from, to: role, fromEpoch: epoch, begunMs: nowMs, reason: 'asked', decision: 0 } as const;
  const move: BegunMove = replacement === undefined ? asked : { ...asked, replacement };
  return { ledger: withStandIns(withMoves(withLastReplaced(ledger), [move])), move };
}
