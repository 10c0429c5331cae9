import { readFile, stat } from 'node:fs/promises';
import { CommandFailure } from '../terminal/failure.js';
import type { MessagePart } from './gateway-api.js';

const bytesMax = 64_000_000;
const types: readonly { type: string; starts: (bytes: Buffer) => boolean }[] = [
  { type: 'image/png', starts: (bytes) => bytes.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')) },
  { type: 'image/jpeg', starts: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff },
  { type: 'image/gif', starts: (bytes) => /^GIF8[79]a/.test(bytes.toString('latin1', 0, 6)) },
  { type: 'image/webp', starts: (bytes) => /^RIFF.{4}WEBP/s.test(bytes.toString('latin1', 0, 12)) },
];

/** A picture as a part of a message: a file is read and sent along, an address is left for the server to fetch. */
export async function pictureOf(fileOrUrl: string): Promise<MessagePart> {
  if (/^(https?|data):/i.test(fileOrUrl)) return { type: 'image_url', image_url: { url: fileOrUrl } };
  const bytes = await readPicture(fileOrUrl);
  const type = types.find(({ starts }) => starts(bytes))?.type;
  if (type === undefined) {
    throw new CommandFailure(`${fileOrUrl} is not a picture that can be read`, {
      code: 'media_type_unsupported',
      advice: 'PNG, JPEG, WebP and GIF files are',
    });
  }
  return { type: 'image_url', image_url: { url: `data:${type};base64,${bytes.toString('base64')}` } };
}

async function readPicture(file: string): Promise<Buffer> {
  const { size } = await stat(file).catch((error) => {
    throw cannotRead(file, error);
  });
  if (size > bytesMax) {
    throw new CommandFailure(`${file} has ${size} bytes; at most ${bytesMax} are sent`, { code: 'media_too_large' });
  }
  return readFile(file).catch((error) => {
    throw cannotRead(file, error);
  });
}

function cannotRead(file: string, { code, message }: NodeJS.ErrnoException): CommandFailure {
  const why: Record<string, string> = {
    ENOENT: 'there is no such file',
    EISDIR: 'it is a folder',
    EACCES: 'not allowed',
  };
  return new CommandFailure(`cannot read the picture ${file}: ${why[code ?? ''] ?? message}`, {});
}
