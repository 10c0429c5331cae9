import type { IncomingMessage } from 'node:http';
import { TercetError } from '@tercet/contracts';

/**
 * The JSON body of a request.
 * @throws body_too_large as soon as the limit is passed, invalid_json for what is not UTF-8 or not JSON
 */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bytesMax) throw new TercetError('body_too_large', { bytes: announced, bytesMax });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new TercetError('body_too_large', { bytes, bytesMax });
    chunks.push(chunk);
  }
  return parse(Buffer.concat(chunks));
}

function parse(body: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new TercetError('invalid_json', { reason: 'the body is not UTF-8' }, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TercetError('invalid_json', { reason: (cause as Error).message.slice(0, 80) }, { cause });
  }
}
