import type { JobLine, StoredFile } from '@tercet/jobs';

export function fileOf(id: string, more: Partial<StoredFile> = {}): StoredFile {
  const about = { tenant: '', purpose: 'batch', filename: 'lines.jsonl', bytes: 1, createdMs: 1 } as const;
  return { id, ...about, expiresMs: null, source: { kind: 'uploaded' }, ...more };
}

export function lineOf(line: number): JobLine {
  return { line, customId: `line ${line}`, body: JSON.stringify({ line }) };
}

export async function* piecesOf(content: Uint8Array, bytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < content.length; start += bytes) yield content.subarray(start, start + bytes);
}

export async function wholeOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}
