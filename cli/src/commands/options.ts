import type { Slo } from '@tercet/allocation';
import { InvalidArgumentError } from 'commander';

/** Parser of a number option within bounds, both included. */
export function numberFrom(min: number, max = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Must be a number ${rangeText(min, max)}.`);
  };
}

/** Parser of a whole number option within bounds, both included. */
export function wholeFrom(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Must be a whole number ${rangeText(min, max)}.`);
  };
}

/** Parser of latency objectives: `ttft=400,tpot=40`. */
export function objectivesFrom(text: string): Pick<Slo, 'ttftMs' | 'tpotMs'> {
  const found = /^ttft=(\d+(?:\.\d+)?),tpot=(\d+(?:\.\d+)?)$/.exec(text.replaceAll(' ', ''));
  if (found === null) throw new InvalidArgumentError('Must be like ttft=400,tpot=40, in milliseconds.');
  return { ttftMs: Number(found[1]), tpotMs: Number(found[2]) };
}

/** Parser of an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

function rangeText(min: number, max: number): string {
  return max >= Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
}
