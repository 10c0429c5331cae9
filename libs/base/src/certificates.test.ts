import { expect, test } from '@jest/globals';
import { namesPod, peerNamesOf } from './certificates.js';

test.each([
  { text: undefined, names: [] },
  { text: '', names: [] },
  { text: 'DNS:gateway, DNS:gateway.tercet.svc', names: ['gateway', 'gateway.tercet.svc'] },
  { text: 'URI:spiffe://tercet/gateway, IP Address:10.0.0.1', names: ['spiffe://tercet/gateway'] },
  { text: 'DNS:"a, DNS:gateway"', names: [] },
  { text: 'email:gateway, DNS:', names: [] },
])('$text names $names', ({ text, names }) => {
  expect(peerNamesOf(text)).toEqual(names);
});

test.each([
  { names: ['prefill-0'], is: true },
  { names: ['x', 'prefill-0.pods.tercet.svc'], is: true },
  { names: ['prefill-01'], is: false },
  { names: ['a.prefill-0'], is: false },
  { names: [], is: false },
])('$names are of prefill-0: $is', ({ names, is }) => {
  expect(namesPod(names, 'prefill-0')).toBe(is);
});
