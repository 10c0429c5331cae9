import type { GraphMemory } from '../graph/memory.js';
import { Beam } from './beam.js';

export interface Walk {
  readonly memory: GraphMemory;
  /** Length of the list of candidates. */
  readonly room: number;
  readonly allow: Uint32Array | undefined;
  distance(slot: number): number;
}

export interface Walked {
  readonly beam: Beam;
  /** The allowed candidates; without a filter, all. */
  readonly found: Beam;
  readonly computations: number;
}

export function isAllowed(allow: Uint32Array, slot: number): boolean {
  return (((allow[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 1;
}

/**
 * Greedy walk with a bounded list of candidates: follows the links of the nearest one not yet followed, until all of
 * the list are.
 * @see Malkov & Yashunin 2018, arXiv:1603.09320, Algorithm 2, on one layer; Subramanya et al. 2019, "DiskANN",
 *      Algorithm 1
 */
export function walkGraph({ memory, room, allow, distance }: Walk): Walked {
  const beam = new Beam(room);
  const found = allow === undefined ? beam : new Beam(room);
  const seen = new Set<number>();
  let nearest = room;
  const compare = (slot: number) => {
    if (slot >= memory.slotEnd || seen.has(slot)) return;
    seen.add(slot);
    const apart = distance(slot);
    if (!(apart < Number.POSITIVE_INFINITY)) return;
    nearest = Math.min(nearest, beam.take(apart, slot));
    if (allow !== undefined && isAllowed(allow, slot)) found.take(apart, slot);
  };
  memory.entries.forEach(compare);
  for (let at = 0; at < beam.size; ) {
    if (beam.followed[at] === 1) {
      at++;
      continue;
    }
    beam.followed[at] = 1;
    nearest = room;
    memory.linksOf(beam.slots[at] as number).forEach(compare);
    at = nearest <= at ? nearest : at + 1;
  }
  return { beam, found, computations: seen.size };
}
