import { Bitmap } from '../bitmap.js';
import type { PayloadIndex } from '../fields/payload-index.js';
import type { TextIndex } from '../text/text-index.js';
import type { CheckedFilter } from './filter.js';

/** What a filter is evaluated over. */
export interface Searched {
  readonly fields: PayloadIndex;
  /** Every slot that holds a point. */
  readonly live: Bitmap;
  readonly size: number;
}

/** Slots of the points that the filter lets through. Of an `and`, what lets the least through comes first. */
export function matching(filter: CheckedFilter, searched: Searched): Bitmap {
  const { fields, live } = searched;
  switch (filter.kind) {
    case 'and': {
      const [first, ...others] = filter.filters
        .map((each) => ({ each, expected: expectedMatches(each, searched) }))
        .toSorted((a, b) => a.expected - b.expected);
      const all = matching((first as { each: CheckedFilter }).each, searched);
      for (const { each } of others) all.intersect(matching(each, searched));
      return all;
    }
    case 'or':
      return filter.filters.reduce((any, each) => any.unite(matching(each, searched)), emptyLike(live));
    case 'not':
      return live.copy().subtract(matching(filter.filter, searched));
    case 'in keywords': {
      const out = emptyLike(live);
      for (const value of filter.values) fields.keyword(filter.field).addTo(out, value);
      return out;
    }
    case 'in numbers': {
      const out = emptyLike(live);
      for (const value of filter.values) fields.number(filter.field).addTo(out, { atLeast: value, atMost: value });
      return out;
    }
    case 'range': {
      const out = emptyLike(live);
      fields.number(filter.field).addTo(out, filter.bounds);
      return out;
    }
    case 'match':
      return textMatches(fields.text(filter.field), filter.words, live);
    case 'exists': {
      const out = emptyLike(live);
      fields.present(filter.field).addTo(out);
      return out;
    }
    default:
      return filter satisfies never;
  }
}

/**
 * How many points the filter lets through as far as the counts of single conditions tell: `and` as if they had nothing
 * to do with each other, `or` as if they had nothing in common.
 */
export function expectedMatches(filter: CheckedFilter, searched: Searched): number {
  const { fields, size } = searched;
  const share = (each: CheckedFilter) => (size === 0 ? 0 : expectedMatches(each, searched) / size);
  switch (filter.kind) {
    case 'and':
      return size * filter.filters.reduce((product, each) => product * share(each), 1);
    case 'or':
      return Math.min(
        size,
        filter.filters.reduce((sum, each) => sum + expectedMatches(each, searched), 0),
      );
    case 'not':
      return size - expectedMatches(filter.filter, searched);
    case 'in keywords': {
      const index = fields.keyword(filter.field);
      return Math.min(
        size,
        filter.values.reduce((sum, value) => sum + index.count(value), 0),
      );
    }
    case 'in numbers': {
      const index = fields.number(filter.field);
      return filter.values.reduce((sum, value) => sum + index.count({ atLeast: value, atMost: value }), 0);
    }
    case 'range':
      return fields.number(filter.field).count(filter.bounds);
    case 'match': {
      const index = fields.text(filter.field);
      const words = index.wordsOf(filter.words);
      return words.length === 0 ? 0 : Math.min(...words.map((word) => index.frequency(word)));
    }
    case 'exists':
      return fields.present(filter.field).size;
    default:
      return filter satisfies never;
  }
}

/** Slots whose texts have all of the words; none where there is no word. */
function textMatches(index: TextIndex, words: string, live: Bitmap): Bitmap {
  const all = emptyLike(live);
  const [rarest, ...others] = [...new Set(index.wordsOf(words))].toSorted(
    (a, b) => index.frequency(a) - index.frequency(b),
  );
  if (rarest === undefined) return all;
  index.addTo(all, rarest);
  for (const word of others) {
    const more = emptyLike(live);
    index.addTo(more, word);
    all.intersect(more);
  }
  return all;
}

/** Bits for as many slots, none set. */
function emptyLike({ words }: Bitmap): Bitmap {
  return new Bitmap(words.length * 32);
}
