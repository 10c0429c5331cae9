import { expect, test } from '@jest/globals';
import { phaseNameOf, phaseNames, roleNameOf, roleNames } from './names.js';
import * as wire from './wire.js';

test('roles and phases have the names of the wire, and none is left out', () => {
  const named = (names: readonly string[], prefix: string) => names.map((name) => `${prefix}_${name.toUpperCase()}`);
  const others = (of: object) => Object.keys(of).filter((key) => !/UNSPECIFIED|UNRECOGNIZED|^-?\d+$/.test(key));
  expect(named(roleNames, 'ROLE')).toEqual(others(wire.Role));
  expect(named(phaseNames, 'PHASE')).toEqual(others(wire.Phase));
  expect([roleNameOf(wire.Role.ROLE_UNSPECIFIED), roleNameOf(wire.Role.ROLE_DECODE)]).toEqual([undefined, 'decode']);
  expect(phaseNameOf(wire.Phase.PHASE_DRAINING)).toBe('draining');
});
