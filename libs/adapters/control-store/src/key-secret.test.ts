import { describe, expect, test } from '@jest/globals';
import { type ApiKeyRecord, isApiKey } from '@tercet/tenancy';
import { hasHash, newApiKey } from './key-secret.js';

const about = { tenant: 'acme', name: 'search', scopes: ['inference'], createdUnixMs: 5 } as const;

describe('a new key', () => {
  test('has the form of one, and its record knows it and no other', () => {
    const [one, two] = [newApiKey(about), newApiKey(about)];
    expect(isApiKey(one.key)).toBe(true);
    expect(one.key).toContain(one.record.id);
    const knows = ({ record }: { record: ApiKeyRecord }, { key }: { key: string }) => hasHash(record, key);
    expect([knows(one, one), knows(one, two), knows(two, one)]).toEqual([true, false, false]);
    expect(JSON.stringify(one.record)).not.toContain(one.key.slice(16));
  });
});
