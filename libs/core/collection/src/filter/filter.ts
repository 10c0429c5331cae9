/** What a point must be like to be answered with. Datetimes are texts as in a payload. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'in'; readonly field: string; readonly values: readonly FilterValue[] }
  | ({ readonly kind: 'range'; readonly field: string } & Bounds<FilterValue>)
  | { readonly kind: 'match'; readonly field: string; readonly words: string }
  | { readonly kind: 'exists'; readonly field: string };

export type FilterValue = string | number | boolean;

export interface Bounds<Value> {
  readonly above?: Value;
  readonly atLeast?: Value;
  readonly below?: Value;
  readonly atMost?: Value;
}

/** A filter whose fields are there and whose values have their types; datetimes are milliseconds. */
export type CheckedFilter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly CheckedFilter[] }
  | { readonly kind: 'not'; readonly filter: CheckedFilter }
  | { readonly kind: 'in keywords'; readonly field: string; readonly values: readonly string[] }
  | { readonly kind: 'in numbers'; readonly field: string; readonly values: readonly number[] }
  | { readonly kind: 'range'; readonly field: string; readonly bounds: Bounds<number> }
  | { readonly kind: 'match'; readonly field: string; readonly words: string }
  | { readonly kind: 'exists'; readonly field: string };
