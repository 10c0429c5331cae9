import { anyOf, byteOf, type Fragment, literal, nothing, optional, repeat, sequence } from './automaton.js';

/** Bounds of a number; each is itself allowed unless it is exclusive. */
export interface Bounds {
  readonly least?: number;
  readonly most?: number;
  readonly leastIsExclusive?: boolean;
  readonly mostIsExclusive?: boolean;
}

/** Numbers without a bound on a side end here, so that their digits end too. */
const farAway = 1e15;
const digit = byteOf(0x30, 0x39);

/**
 * Decimal numbers within bounds, with up to `fractionDigits` (0: whole numbers) digits after the point and no exponent.
 * Undefined when no such number lies there. What a reader makes of the text, a double, lies within the bounds too:
 * the outermost numbers are checked, and reading keeps the order.
 */
export function numberWithin(bounds: Bounds, fractionDigits: number): Fragment | undefined {
  const parts: Fragment[] = [];
  const upper = unitsWithin(bounds, fractionDigits);
  if (upper !== undefined) parts.push(unsignedWithin(upper, fractionDigits));
  const lower = unitsWithin(mirrored(bounds), fractionDigits);
  if (lower !== undefined && lower.most > 0n) {
    const { least, most } = lower;
    parts.push(sequence(literal('-'), unsignedWithin({ least: least === 0n ? 1n : least, most }, fractionDigits)));
  }
  return parts.length === 0 ? undefined : anyOf(...parts);
}

function mirrored({ least, most, leastIsExclusive, mostIsExclusive }: Bounds): Bounds {
  return {
    ...(most === undefined ? {} : { least: -most }),
    ...(least === undefined ? {} : { most: -least }),
    ...(mostIsExclusive === undefined ? {} : { leastIsExclusive: mostIsExclusive }),
    ...(leastIsExclusive === undefined ? {} : { mostIsExclusive: leastIsExclusive }),
  };
}

interface Units {
  readonly least: bigint;
  readonly most: bigint;
}

/** Bounds at or above 0 in units of the last digit. */
function unitsWithin(bounds: Bounds, fractionDigits: number): Units | undefined {
  const unit = 10 ** fractionDigits;
  const isAbove = (units: bigint) => {
    const value = Number(decimalOf(units, fractionDigits));
    if (bounds.least === undefined) return true;
    return bounds.leastIsExclusive ? value > bounds.least : value >= bounds.least;
  };
  const isBelow = (units: bigint) => {
    const value = Number(decimalOf(units, fractionDigits));
    if (bounds.most === undefined) return true;
    return bounds.mostIsExclusive ? value < bounds.most : value <= bounds.most;
  };
  if ((bounds.most ?? 0) < 0 || (bounds.least ?? 0) > farAway) return undefined;
  let least = BigInt(Math.floor(Math.max(bounds.least ?? 0, 0) * unit));
  let most = BigInt(Math.ceil(Math.min(bounds.most ?? farAway, farAway) * unit));
  // Rounding of the products, and exclusive bounds, are at most a few units away.
  for (let i = 0; i < 2048 && !isAbove(least); i++) least++;
  for (let i = 0; i < 2048 && !isBelow(most) && most > 0n; i++) most--;
  return least <= most && isAbove(least) && isBelow(most) ? { least, most } : undefined;
}

function decimalOf(units: bigint, fractionDigits: number): string {
  const digits = units.toString().padStart(fractionDigits + 1, '0');
  const point = digits.length - fractionDigits;
  return fractionDigits === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
}

function unsignedWithin({ least, most }: Units, fractionDigits: number): Fragment {
  if (fractionDigits === 0) return wholeWithin(least, most);
  const unit = 10n ** BigInt(fractionDigits);
  const first = least / unit;
  const last = most / unit;
  const zeros = '0'.repeat(fractionDigits);
  const nines = '9'.repeat(fractionDigits);
  const leastFraction = (least % unit).toString().padStart(fractionDigits, '0');
  const mostFraction = (most % unit).toString().padStart(fractionDigits, '0');
  if (first === last) return sequence(wholeWithin(first, first), pointAnd(leastFraction, mostFraction));
  const parts = [
    sequence(wholeWithin(first, first), pointAnd(leastFraction, nines)),
    sequence(wholeWithin(last, last), pointAnd(zeros, mostFraction)),
  ];
  if (last - first > 1n) parts.push(sequence(wholeWithin(first + 1n, last - 1n), pointAnd(zeros, nines)));
  return anyOf(...parts);
}

/** A point and a fraction within [least, most], both as digits of one length, or neither where 0 is within. */
function pointAnd(least: string, most: string): Fragment {
  const isZero = /^0*$/.test(least);
  const fraction = sequence(literal('.'), fractionWithin(least, most, true));
  return isZero ? optional(fraction) : fraction;
}

/** Digits that, filled up with zeros, lie within [least, most]. */
function fractionWithin(least: string, most: string, isFirst = false): Fragment {
  if (least === '') return nothing;
  const parts: Fragment[] = [];
  if (!isFirst && /^0*$/.test(least)) parts.push(nothing);
  const rest = least.length - 1;
  if (isFirst ? false : /^0*$/.test(least) && /^9*$/.test(most)) return repeat(digit, { min: 0, max: rest + 1 });
  const low = Number(least[0]);
  const high = Number(most[0]);
  if (low === high) {
    parts.push(sequence(digits(low, low), fractionWithin(least.slice(1), most.slice(1))));
  } else {
    parts.push(sequence(digits(low, low), fractionWithin(least.slice(1), '9'.repeat(rest))));
    if (high - low > 1) parts.push(sequence(digits(low + 1, high - 1), repeat(digit, { min: 0, max: rest })));
    parts.push(sequence(digits(high, high), fractionWithin('0'.repeat(rest), most.slice(1))));
  }
  return anyOf(...parts);
}

/** Whole numbers within [least, most], without leading zeros. */
function wholeWithin(least: bigint, most: bigint): Fragment {
  const parts: Fragment[] = [];
  const lengthMost = most.toString().length;
  for (let length = least.toString().length; length <= lengthMost; length++) {
    const shortest = length === 1 ? 0n : 10n ** BigInt(length - 1);
    const longest = 10n ** BigInt(length) - 1n;
    const from = least > shortest ? least : shortest;
    const to = most < longest ? most : longest;
    parts.push(sameLengthWithin(from.toString(), to.toString()));
  }
  return anyOf(...parts);
}

function sameLengthWithin(least: string, most: string): Fragment {
  if (least === '') return nothing;
  const rest = least.length - 1;
  if (/^0*$/.test(least) && /^9*$/.test(most)) return repeat(digit, { min: rest + 1, max: rest + 1 });
  const low = Number(least[0]);
  const high = Number(most[0]);
  if (low === high) return sequence(digits(low, low), sameLengthWithin(least.slice(1), most.slice(1)));
  const parts = [
    sequence(digits(low, low), sameLengthWithin(least.slice(1), '9'.repeat(rest))),
    sequence(digits(high, high), sameLengthWithin('0'.repeat(rest), most.slice(1))),
  ];
  if (high - low > 1) parts.push(sequence(digits(low + 1, high - 1), repeat(digit, { min: rest, max: rest })));
  return anyOf(...parts);
}

function digits(first: number, last: number): Fragment {
  return byteOf(0x30 + first, 0x30 + last);
}
