import { expect, test } from '@jest/globals';
import { payloadFieldKinds, phaseNameOf, phaseNames, roleNameOf, roleNames, vectorMetrics } from './names.js';
import * as wire from './wire.js';

const others = (of: object) => Object.keys(of).filter((key) => !/UNSPECIFIED|UNRECOGNIZED|^-?\d+$/.test(key));

test('roles and phases have the names of the wire, and none is left out', () => {
  const named = (names: readonly string[], prefix: string) => names.map((name) => `${prefix}_${name.toUpperCase()}`);
  expect(named(roleNames, 'ROLE')).toEqual(others(wire.Role));
  expect(named(phaseNames, 'PHASE')).toEqual(others(wire.Phase));
  expect([roleNameOf(wire.Role.ROLE_UNSPECIFIED), roleNameOf(wire.Role.ROLE_DECODE)]).toEqual([undefined, 'decode']);
  expect(phaseNameOf(wire.Phase.PHASE_DRAINING)).toBe('draining');
});

test.each([
  { table: vectorMetrics, of: wire.Metric, prefix: 'METRIC' },
  { table: payloadFieldKinds, of: wire.FieldKind, prefix: 'FIELD_KIND' },
])('every $prefix has its name', ({ table, of, prefix }) => {
  const names: Readonly<Record<string, unknown>> = of;
  const keys = Object.keys(table).map((name) => `${prefix}_${name.replace('-', '_').toUpperCase()}`);
  expect(keys).toEqual(others(of));
  expect(Object.values(table)).toEqual(keys.map((key) => names[key]));
});
