import type { IncomingMessage } from 'node:http';
import { TercetError } from '@tercet/contracts';

/** Lists and objects within each other; what reads a body further on may call itself once for each. */
const depthMax = 200;

/**
 * The JSON body of a request.
 * @throws body_too_large as soon as the limit is passed; invalid_json for what is not UTF-8 or not JSON;
 *   invalid_request for what is nested too deep
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
  return parseJson(decode(Buffer.concat(chunks)));
}

/** @throws invalid_json; invalid_request for what is nested too deep */
export function parseJson(text: string): unknown {
  const json = parse(text);
  if (isDeeperThan(depthMax, json)) throw new TercetError('invalid_request', { reason: 'nested too deep', depthMax });
  return json;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new TercetError('invalid_json', { reason: 'the body is not UTF-8' }, { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TercetError('invalid_json', { reason: (cause as Error).message.slice(0, 80) }, { cause });
  }
}

/** Level by level: a function that calls itself would be what the limit protects from. */
function isDeeperThan(levels: number, json: unknown): boolean {
  let level = [json].filter(isTree);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true;
    level = level.flatMap((tree) => Object.values(tree).filter(isTree));
  }
  return false;
}

function isTree(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
