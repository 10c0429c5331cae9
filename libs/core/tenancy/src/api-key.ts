import { assert } from '@tercet/base';

/** Random bytes behind the two parts of a key: an id that may be printed, and a secret of 256 bits. */
export const idBytes = 8;
export const secretBytes = 32;

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Characters that hold as many bytes: 62^11 > 2^64, 62^43 > 2^256, 62^6 > 2^32. */
const characters = { id: 11, secret: 43, check: 6 };
const form = /^tck_([0-9A-Za-z]{11})_[0-9A-Za-z]{49}$/;

/**
 * The text of an API key: `tck_ID_SECRETCHECK`. The id names the key in lists and logs. The last six characters are a
 * checksum, so that a key that was cut or mistyped is told from one that is not known, and so that scanners for leaked
 * secrets find keys without false alarms.
 */
export function formatApiKey({ id, secret }: { id: Uint8Array; secret: Uint8Array }): string {
  assert(id.length === idBytes && secret.length === secretBytes, 'sizes of a key', [id.length, secret.length]);
  const body = `tck_${base62(numberOf(id), characters.id)}_${base62(numberOf(secret), characters.secret)}`;
  return body + checkOf(body);
}

/** Does the text have the form of a key, checksum included? Nothing is said of whether it is known. */
export function isApiKey(text: string): boolean {
  return form.test(text) && checkOf(text.slice(0, -characters.check)) === text.slice(-characters.check);
}

/** The part of a key that may be printed. The text must be a key. */
export function keyIdOf(key: string): string {
  const id = form.exec(key)?.[1];
  assert(id !== undefined, 'not an API key');
  return id;
}

function checkOf(body: string): string {
  return base62(BigInt(crc32(body)), characters.check);
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Most significant first, padded with zeros, so that all keys have one length. */
function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text;
}

/** CRC-32 of ISO-HDLC, bit by bit: keys are short and checked once a request. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
