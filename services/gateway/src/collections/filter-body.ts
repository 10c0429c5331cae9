import { wire } from '@tercet/contracts';
import { z } from 'zod';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
const Bound = z.union([z.string(), z.number()]);
const field = z.string().min(1);

const InBody = z.strictObject({ field, in: z.array(Scalar) });
const EqualBody = z.strictObject({ field, eq: Scalar });
const RangeBody = z
  .strictObject({ field, gt: Bound.optional(), gte: Bound.optional(), lt: Bound.optional(), lte: Bound.optional() })
  .refine((range) => Object.keys(range).length > 1, 'needs a condition: eq, in, gt, gte, lt, lte, match or exists');
const MatchBody = z.strictObject({ field, match: z.string() });
const ExistsBody = z.strictObject({ field, exists: z.literal(true) });

export type FilterBody =
  | { and: FilterBody[] }
  | { or: FilterBody[] }
  | { not: FilterBody }
  | z.infer<typeof InBody>
  | z.infer<typeof EqualBody>
  | z.infer<typeof RangeBody>
  | z.infer<typeof MatchBody>
  | z.infer<typeof ExistsBody>;

/** `{"and": [{"field": "lang", "in": ["en", "de"]}, {"not": {"field": "year", "lt": 2020}}]}` */
export const FilterBody: z.ZodType<FilterBody> = z
  .lazy(() =>
    z.union([
      z.strictObject({ and: z.array(FilterBody) }),
      z.strictObject({ or: z.array(FilterBody) }),
      z.strictObject({ not: FilterBody }),
      InBody,
      EqualBody,
      MatchBody,
      ExistsBody,
      RangeBody,
    ]),
  )
  .meta({ id: 'Filter' });

/** As the vector index takes it, which also checks what it means. */
export function filterToWire(filter: FilterBody): wire.Filter {
  return { kind: kindOf(filter) };
}

/** The filter of a body, where it has one. */
export function optionalFilter(filter: FilterBody | null | undefined): { filter?: wire.Filter } {
  return filter === null || filter === undefined ? {} : { filter: filterToWire(filter) };
}

function kindOf(filter: FilterBody): NonNullable<wire.Filter['kind']> {
  if ('and' in filter) return { $case: 'and', value: { filters: filter.and.map(filterToWire) } };
  if ('or' in filter) return { $case: 'or', value: { filters: filter.or.map(filterToWire) } };
  if ('not' in filter) return { $case: 'not', value: filterToWire(filter.not) };
  const { field } = filter;
  if ('in' in filter) return { $case: 'in', value: { field, values: filter.in.map(valueToWire) } };
  if ('eq' in filter) return { $case: 'in', value: { field, values: [valueToWire(filter.eq)] } };
  if ('match' in filter) return { $case: 'match', value: { field, words: filter.match } };
  if ('exists' in filter) return { $case: 'exists', value: { field } };
  const bounds = { above: filter.gt, atLeast: filter.gte, below: filter.lt, atMost: filter.lte };
  const given = Object.entries(bounds).flatMap(([bound, value]) => {
    return value === undefined ? [] : [[bound, valueToWire(value)]];
  });
  return { $case: 'range', value: wire.RangeCondition.fromPartial({ field, ...Object.fromEntries(given) }) };
}

function valueToWire(value: string | number | boolean): wire.Value {
  if (typeof value === 'string') return { kind: { $case: 'text', value } };
  return { kind: typeof value === 'number' ? { $case: 'number', value } : { $case: 'truth', value } };
}
