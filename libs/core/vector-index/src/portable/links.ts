import { type GraphMemory, headWords, stateBits } from '../graph/memory.js';
import { noSlot } from '../vector-index.js';
import type { CodeRows, PreparedQuery } from './code-rows.js';
import { walkGraph } from './walk.js';

/** What the twin of the native edits works on. */
export interface Editing {
  readonly memory: GraphMemory;
  readonly rows: CodeRows;
}

/** Links a row that was written to its neighbours, and them to it. */
export function linkRow({ memory, rows }: Editing, slot: number, query: PreparedQuery): void {
  const { efConstruction: room, degreeMax } = memory.shape;
  const distance = (other: number) => rows.near(query, other);
  const { beam } = walkGraph({ memory, room, allow: undefined, distance });
  const near = [...beam.slots.subarray(0, beam.size)].filter((other) => other !== slot && memory.isLive(other));
  const chosen = chooseLinks({ memory, rows }, slot, near);
  writeLinks(memory, slot, chosen);
  for (const other of chosen) {
    const links = memory.linksOf(other);
    if (links.includes(slot)) continue;
    if (links.length < degreeMax) {
      memory.links[other * degreeMax + links.length] = slot;
    } else if (!isCovered({ memory, rows }, other, slot)) {
      writeLinks(memory, other, chooseLinks({ memory, rows }, other, pool(memory, other, [...links, slot])));
    }
  }
  offerEntry(memory, slot);
}

/** Takes a row out, and gives those that linked to it what it linked to. `query` is the row's own vector. */
export function unlinkRow({ memory, rows }: Editing, slot: number, query: PreparedQuery): void {
  const distance = (other: number) => rows.near(query, other);
  const { beam } = walkGraph({ memory, room: memory.shape.efConstruction, allow: undefined, distance });
  const state = memory.states[slot] as number;
  memory.states[slot] = (state + stateBits.step) & ~(stateBits.live | stateBits.busy);
  rows.blank(slot);
  const beyond = [...memory.linksOf(slot)];
  const bridge = (from: number) => {
    if (from === slot || !memory.linksOf(from).includes(slot)) return;
    const candidates = pool(memory, from, [...memory.linksOf(from), ...beyond]);
    writeLinks(memory, from, chooseLinks({ memory, rows }, from, candidates));
  };
  for (const from of beam.slots.subarray(0, beam.size)) bridge(from);
  const alive = beyond.filter((other) => memory.isLive(other));
  for (const other of alive) {
    bridge(other);
    const { degreeMax } = memory.shape;
    // Read one by one: a bridge changes the row that is gone through.
    for (let i = 0; i < degreeMax; i++) {
      const far = memory.links[other * degreeMax + i] as number;
      if (far === noSlot) break;
      bridge(far);
    }
  }
  writeLinks(memory, slot, []);
  replaceEntry(memory, slot, alive[0]);
}

/**
 * Keeps a candidate unless one already kept is nearer to it than the base, by the factor alpha.
 * @returns at most `degreeNew` of the candidates, nearest first
 * @see Malkov & Yashunin 2018, Algorithm 4; Subramanya et al. 2019, Algorithm 2
 */
function chooseLinks({ memory, rows }: Editing, base: number, candidates: readonly number[]): number[] {
  const { alpha, degreeNew } = memory.shape;
  const factor = Math.fround(alpha);
  const sorted = candidates.map((slot) => ({ slot, apart: rows.between(base, slot) }));
  sorted.sort((a, b) => a.apart - b.apart);
  const kept: number[] = [];
  for (const { slot, apart } of sorted) {
    if (kept.length === degreeNew) break;
    const isHidden = kept.some((other) => hides(rows.between(other, slot), apart, factor));
    if (!isHidden) kept.push(slot);
  }
  return kept;
}

/** Whether a link of `from` that is nearer than `to` is already the way there: a full row need not choose again. */
function isCovered({ memory, rows }: Editing, from: number, to: number): boolean {
  const factor = Math.fround(memory.shape.alpha);
  const straight = rows.between(from, to);
  return memory
    .linksOf(from)
    .some((link) => hides(rows.between(link, to), straight, factor) && rows.between(from, link) <= straight);
}

/** Whether the way over a link already there is short enough. */
function hides(over: number, straight: number, factor: number): boolean {
  return over >= 0 ? Math.fround(over * factor) < straight : over < Math.fround(straight * factor);
}

/** Live slots other than the base, each once. */
function pool(memory: GraphMemory, base: number, slots: readonly number[]): number[] {
  return [...new Set(slots)].filter((slot) => slot !== base && memory.isLive(slot));
}

function writeLinks(memory: GraphMemory, slot: number, links: readonly number[]): void {
  const { degreeMax } = memory.shape;
  memory.links.fill(noSlot, slot * degreeMax, (slot + 1) * degreeMax);
  memory.links.set(links, slot * degreeMax);
}

/**
 * Keeps the entries a sample of what was inserted.
 * @see Vitter 1985, "Random sampling with a reservoir", Algorithm R
 */
function offerEntry(memory: GraphMemory, slot: number): void {
  const { head, shape } = memory;
  const { entries, inserted, firstEntry } = headWords;
  const total = (head[inserted] as number) + 1;
  head[inserted] = total;
  const count = head[entries] as number;
  if (count < shape.entriesMax) {
    head[firstEntry + count] = slot;
    head[entries] = count + 1;
    return;
  }
  const place = Number((BigInt(mixed(total)) * BigInt(total)) >> 32n);
  if (place < count) head[firstEntry + place] = slot;
}

function mixed(value: number): number {
  let mix = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97);
  return (mix ^ (mix >>> 15)) >>> 0;
}

function replaceEntry(memory: GraphMemory, slot: number, by: number | undefined): void {
  const { head } = memory;
  const { entries, firstEntry } = headWords;
  const kept: number[] = [];
  for (const entry of memory.entries) {
    if (entry !== slot) kept.push(entry);
    else if (by !== undefined) kept.push(by);
  }
  for (let other = 0; kept.length === 0 && other < memory.slotEnd; other++) if (memory.isLive(other)) kept.push(other);
  head.set(kept, firstEntry);
  head[entries] = kept.length;
}
