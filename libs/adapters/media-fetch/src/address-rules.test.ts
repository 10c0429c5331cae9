import { describe, expect, test } from '@jest/globals';
import { AddressRules } from './address-rules.js';

describe('only public addresses', () => {
  const rules = new AddressRules(false);
  test.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.19.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::1',
    '3fff::1',
    'localhost',
    '',
  ])('%s is refused', (address) => {
    expect(rules.isAllowed(address)).toBe(false);
  });

  test.each([
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.167.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450::1',
  ])('%s is allowed', (address) => {
    expect(rules.isAllowed(address)).toBe(true);
  });
});

test('listed subnets are allowed beside the public addresses', () => {
  const rules = new AddressRules(['10.1.0.0/16', '127.0.0.1', 'fd00:1::/32']);
  const asked = ['10.1.255.1', '10.2.0.1', '127.0.0.1', '127.0.0.2', 'fd00:1::5', 'fd00:2::5', '8.8.8.8'];
  expect(asked.filter((address) => rules.isAllowed(address))).toEqual([
    '10.1.255.1',
    '127.0.0.1',
    'fd00:1::5',
    '8.8.8.8',
  ]);
});

test('true allows any address', () => {
  expect(new AddressRules(true).isAllowed('127.0.0.1')).toBe(true);
});

test.each(['10.0.0.0/33', '10.0.0/8', 'intranet', '::1/129', '10.0.0.0/x'])('%s is no subnet', (subnet) => {
  expect(() => new AddressRules([subnet])).toThrow(expect.objectContaining({ code: 'config_invalid' }));
});
