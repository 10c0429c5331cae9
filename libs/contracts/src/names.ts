import type * as wire from './wire.js';

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
