import { anyOf, byteOf, type Fragment, sequence } from './automaton.js';

/** Sorted, disjoint, inclusive ranges of code points. */
export type CodePoints = readonly (readonly [number, number])[];

export const lastCodePoint = 0x10ffff;
export const everyCodePoint: CodePoints = [
  [0, 0xd7ff],
  [0xe000, lastCodePoint],
];

/** Ranges in any order, made sorted and disjoint; surrogates are no characters and fall out. */
export function codePointsOf(...ranges: readonly (readonly [number, number])[]): CodePoints {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const out: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = out.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else out.push([first, last]);
  }
  return out.flatMap(([first, last]): [number, number][] => {
    const below: [number, number] = [first, Math.min(last, 0xd7ff)];
    const above: [number, number] = [Math.max(first, 0xe000), last];
    return [below, above].filter(([from, to]) => from <= to);
  });
}

export function complementOf(set: CodePoints): CodePoints {
  const out: [number, number][] = [];
  let next = 0;
  for (const [first, last] of set) {
    if (first > next) out.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= lastCodePoint) out.push([next, lastCodePoint]);
  return codePointsOf(...out);
}

export function commonCodePoints(a: CodePoints, b: CodePoints): CodePoints {
  return complementOf(codePointsOf(...complementOf(a), ...complementOf(b)));
}

export function isSubset(a: CodePoints, b: CodePoints): boolean {
  return commonCodePoints(a, complementOf(b)).length === 0;
}

/** One character of the set, as UTF-8. */
export function utf8Of(set: CodePoints): Fragment {
  const runs = set.flatMap(([first, last]) => byteRunsOf(first, last));
  return anyOf(...runs.map((run) => sequence(...run.map(([first, last]) => byteOf(first, last)))));
}

type ByteRun = readonly (readonly [number, number])[];

/**
 * A range of code points as runs of byte ranges, where any choice of bytes is a character of the range.
 * @see Russ Cox 2010, "Regular expression matching in the wild", section on UTF-8
 */
function byteRunsOf(first: number, last: number): ByteRun[] {
  for (const border of [0x7f, 0x7ff, 0xffff]) {
    if (first <= border && border < last) return [...byteRunsOf(first, border), ...byteRunsOf(border + 1, last)];
  }
  if (last <= 0x7f) return [[[first, last]]];
  const bytes = last <= 0x7ff ? 2 : last <= 0xffff ? 3 : 4;
  for (let i = 1; i < bytes; i++) {
    const mask = (1 << (6 * i)) - 1;
    if ((first & ~mask) === (last & ~mask)) continue;
    if ((first & mask) !== 0) return [...byteRunsOf(first, first | mask), ...byteRunsOf((first | mask) + 1, last)];
    if ((last & mask) !== mask) return [...byteRunsOf(first, (last & ~mask) - 1), ...byteRunsOf(last & ~mask, last)];
  }
  const from = encode(first, bytes);
  const to = encode(last, bytes);
  return [from.map((byte, i) => [byte, to[i] as number] as const)];
}

function encode(codePoint: number, bytes: number): number[] {
  const out: number[] = [];
  let rest = codePoint;
  for (let i = 1; i < bytes; i++) {
    out.unshift(0x80 | (rest & 0x3f));
    rest >>= 6;
  }
  out.unshift(((0xf00 >> bytes) & 0xff) | rest);
  return out;
}
