import * as wire from './wire.js';

/** Roles as labels, options and logs name them; in the order of the wire, which begins with none. */
export const roleNames = ['encode', 'prefill', 'decode'] as const;
export type RoleName = (typeof roleNames)[number];

/** Phases of a stage process, in the order of the wire, which begins with none. */
export const phaseNames = ['unassigned', 'mounting', 'ready', 'draining', 'stopping'] as const;
export type PhaseName = (typeof phaseNames)[number];

/** `undefined` for a process without a role. */
export function roleNameOf(role: wire.Role): RoleName | undefined {
  return roleNames[role - 1];
}

export function phaseNameOf(phase: wire.Phase): PhaseName | undefined {
  return phaseNames[phase - 1];
}

/** Metrics of a collection of vectors, by the names that bodies and options give them. */
export const vectorMetrics = {
  cosine: wire.Metric.METRIC_COSINE,
  'inner-product': wire.Metric.METRIC_INNER_PRODUCT,
  l2: wire.Metric.METRIC_L2,
} as const;

/** Kinds of a field of a payload, by the names that bodies and options give them. */
export const payloadFieldKinds = {
  keyword: wire.FieldKind.FIELD_KIND_KEYWORD,
  integer: wire.FieldKind.FIELD_KIND_INTEGER,
  float: wire.FieldKind.FIELD_KIND_FLOAT,
  bool: wire.FieldKind.FIELD_KIND_BOOL,
  datetime: wire.FieldKind.FIELD_KIND_DATETIME,
  text: wire.FieldKind.FIELD_KIND_TEXT,
  stored: wire.FieldKind.FIELD_KIND_STORED,
} as const;
