import type { EvalItem } from './items.js';

export interface Answered {
  readonly item: EvalItem;
  readonly answer: string;
}

/** Share of exactly right answers by kind; `digitEach` is the share of single digits read at their place. */
export function sharesOf(answered: readonly Answered[]): Record<string, number> {
  const kinds = new Map<string, boolean[]>();
  const digits: boolean[] = [];
  for (const { item, answer } of answered) {
    const right = kinds.get(item.kind) ?? [];
    right.push(isRight(item, answer));
    kinds.set(item.kind, right);
    if (item.kind === 'digits') digits.push(...digitsRight(item.answer, answer));
  }
  const shares = [...kinds].map(([kind, right]) => [kind, share(right)] as const);
  return { ...Object.fromEntries(shares), ...(digits.length > 0 ? { digitEach: share(digits) } : {}) };
}

/** Right means the same words: spaces around and the final point do not count. */
export function isRight(item: EvalItem, answer: string): boolean {
  return bare(answer) === bare(item.answer);
}

function digitsRight(expected: string, answer: string): boolean[] {
  const found = bare(answer);
  return [...bare(expected)].map((digit, place) => found[place] === digit);
}

function bare(text: string): string {
  return text.trim().replace(/\.$/, '');
}

function share(right: readonly boolean[]): number {
  return Math.round((right.filter(Boolean).length / right.length) * 10_000) / 10_000;
}
