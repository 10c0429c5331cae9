import { TercetError } from '@tercet/contracts';

/**
 * Bytes of a `data:` URL, base64 (either alphabet, padded or not, line breaks allowed) or percent-encoded.
 * @throws media_invalid, media_too_large
 * @see RFC 2397, 1998, "The data URL scheme"
 */
export function readDataUrl(url: string, bytesMax: number): Uint8Array {
  const comma = url.indexOf(',');
  if (comma < 0 || comma > 1024) throw new TercetError('media_invalid', { reason: 'the data URL has no comma' });
  const isBase64 = /;\s*base64\s*$/i.test(url.slice(0, comma));
  // Percent-encoding triples a byte at most, so a longer text is over the limit however it is written.
  if (url.length - comma > bytesMax * 3 + 4096) throw new TercetError('media_too_large', { bytesMax });
  const hash = url.indexOf('#', comma);
  const body = url.slice(comma + 1, hash < 0 ? undefined : hash);
  const bytes = isBase64 ? fromBase64(body) : fromPercent(body);
  if (bytes.length > bytesMax) throw new TercetError('media_too_large', { bytes: bytes.length, bytesMax });
  return bytes;
}

/** `Buffer.from` skips what is not base64; a length that is too short tells that it did. */
function fromBase64(body: string): Uint8Array {
  const text = (body.includes('%') ? Buffer.from(fromPercent(body)).toString('latin1') : body).replace(/\s+/g, '');
  const digits = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  const bytes = Buffer.from(text, 'base64');
  if (digits % 4 === 1 || bytes.length !== Math.floor((digits * 3) / 4)) {
    throw new TercetError('media_invalid', { reason: 'the data URL is not base64' });
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function fromPercent(body: string): Uint8Array {
  const text = Buffer.from(body, 'utf8');
  const out = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text[at] as number;
    if (byte === 0x25) {
      const pair = text.toString('latin1', at + 1, at + 3);
      if (!/^[0-9a-f]{2}$/i.test(pair)) {
        throw new TercetError('media_invalid', { reason: 'the data URL has a broken % escape' });
      }
      byte = Number.parseInt(pair, 16);
      at += 2;
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}
