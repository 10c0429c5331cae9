import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type ApiKeyRecord, formatApiKey, idBytes, keyIdOf, secretBytes } from '@tercet/tenancy';

/** A new key from the system's random source, and what is kept of it. */
export function newApiKey(about: Omit<ApiKeyRecord, 'id' | 'hash'>): { key: string; record: ApiKeyRecord } {
  const key = formatApiKey({ id: randomBytes(idBytes), secret: randomBytes(secretBytes) });
  return { key, record: { ...about, id: keyIdOf(key), hash: hashOfKey(key) } };
}

/** SHA-256, hex. One round is enough for 256 random bits; docs/decisions/0012 says why. */
export function hashOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Is this the key that the record was made from? Takes the same time wherever they differ. */
export function hasHash({ hash }: ApiKeyRecord, key: string): boolean {
  return timingSafeEqual(Buffer.from(hash, 'hex'), Buffer.from(hashOfKey(key), 'hex'));
}
