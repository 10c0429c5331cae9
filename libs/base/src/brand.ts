declare const brand: unique symbol;

/** A plain value that the compiler tells apart by its name: `Brand<string, 'RequestId'>` is not a `PodId`. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
