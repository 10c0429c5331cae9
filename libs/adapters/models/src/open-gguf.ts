import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TercetError } from '@tercet/contracts';
import { type Gguf, readGguf } from '@tercet/gguf';

/** Metadata and tensor table of a model file; weights are not read. @throws model_file_missing, model_file_invalid */
export function openGguf(path: string): Gguf {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new TercetError('model_file_missing', { path }, { cause });
  }
  try {
    const read = (offset: number, length: number) => {
      const bytes = new Uint8Array(length);
      readSync(file, bytes, 0, length, offset);
      return bytes;
    };
    return readGguf({ size: fstatSync(file).size, read });
  } finally {
    closeSync(file);
  }
}
