import type { StageName } from '@tercet/allocation';
import { wire } from '@tercet/contracts';

const roles = {
  encode: wire.Role.ROLE_ENCODE,
  prefill: wire.Role.ROLE_PREFILL,
  decode: wire.Role.ROLE_DECODE,
} as const satisfies Record<StageName, wire.Role>;

export function roleOf(stage: StageName | undefined): wire.Role {
  return stage === undefined ? wire.Role.ROLE_UNSPECIFIED : roles[stage];
}

/** `undefined` for no role, and for one that is none of ours. */
export function stageOf(role: wire.Role): StageName | undefined {
  switch (role) {
    case wire.Role.ROLE_ENCODE:
      return 'encode';
    case wire.Role.ROLE_PREFILL:
      return 'prefill';
    case wire.Role.ROLE_DECODE:
      return 'decode';
    default:
      return undefined;
  }
}
