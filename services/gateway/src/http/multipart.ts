import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { TercetError } from '@tercet/contracts';

export interface MultipartOptions {
  readonly bytesMax: number;
  /** Takes the content of the one file as it comes. */
  take(content: AsyncIterable<Uint8Array>): Promise<number>;
}

export interface Multipart {
  readonly filename: string;
  readonly bytes: number;
  readonly fields: Readonly<Record<string, string>>;
}

/** Beside the file: names, values and boundaries of the form. */
const formBytesMax = 64 * 1024;
const drainMsMax = 500;
const limits = { files: 1, fields: 16, fieldNameSize: 100, fieldSize: 1024, headerPairs: 20 };

/**
 * A form with one file in the field `file`, https://www.rfc-editor.org/rfc/rfc7578. The file goes on as it comes and is
 * never held as a whole.
 * @throws invalid_request for what is no such form; body_too_large; what `take` throws
 */
export async function readMultipart(request: IncomingMessage, options: MultipartOptions): Promise<Multipart> {
  const { bytesMax } = options;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bytesMax + formBytesMax) throw new TercetError('body_too_large', { bytes: announced, bytesMax });
  const form = new Form(options);
  const parser = parserFor(request);
  parser.on('file', (field: string, content: Readable, filename?: string) =>
    form.takeFile({ field, content, filename: filename ?? '' }),
  );
  parser.on('field', (name: string, value: string, _: boolean, isCut: boolean) =>
    form.takeField({ name, value, isCut }),
  );
  parser.on('filesLimit', () => form.fail(malformed('more than one file')));
  parser.on('fieldsLimit', () => form.fail(malformed('too many fields')));
  parser.on('error', (error: Error) => form.fail(malformed(error.message)));
  parser.on('finish', () => form.end());
  const onClose = () => {
    if (!request.complete) form.fail(new TercetError('cancelled'));
  };
  request.once('close', onClose);
  request.pipe(parser);
  try {
    return await form.whole;
  } catch (error) {
    // Unlike `destroy`, this leaves the connection for the answer.
    request.unpipe(parser);
    await drained(request);
    throw error;
  } finally {
    request.off('close', onClose);
  }
}

/**
 * Reads on for a little: a client that still sends when the connection is closed sees it broken, and not the answer.
 * Resolves when all was read, or as much as that is worth.
 */
async function drained(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, drainMsMax);
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > formBytesMax) resolve();
  });
  for (const event of ['end', 'close', 'error']) request.once(event, () => resolve());
  await promise;
  clearTimeout(timer);
  request.pause();
}

function parserFor(request: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({ headers: request.headers as BusboyHeaders, limits });
  } catch (cause) {
    throw new TercetError('invalid_request', { reason: 'the body is not multipart/form-data' }, { cause });
  }
}

/** What came of a form so far. */
class Form {
  readonly whole: Promise<Multipart>;
  readonly #options: MultipartOptions;
  readonly #settle: PromiseWithResolvers<Multipart>;
  readonly #fields: Record<string, string> = {};
  #file: { readonly filename: string; readonly content: Readable; readonly taken: Promise<number> } | undefined;

  constructor(options: MultipartOptions) {
    this.#options = options;
    this.#settle = Promise.withResolvers();
    this.whole = this.#settle.promise;
  }

  takeFile({ field, content, filename }: { field: string; content: Readable; filename: string }): void {
    if (field !== 'file') {
      content.resume();
      this.fail(malformed(`a file in the field ${field.slice(0, 40)}`));
      return;
    }
    // It may break twice, by its end and by `fail`: whoever reads it hears of the first only.
    content.on('error', () => undefined);
    const taken = this.#options.take(this.#limited(content));
    taken.catch((error: unknown) => this.fail(error));
    this.#file = { filename, content, taken };
  }

  takeField({ name, value, isCut }: { name: string; value: string; isCut: boolean }): void {
    if (isCut) this.fail(malformed(`the field ${name.slice(0, 40)} is too long`));
    this.#fields[name] = value;
  }

  /** Whoever takes the file learns of it as well. */
  fail(error: unknown): void {
    this.#settle.reject(error);
    this.#file?.content.destroy(error instanceof Error ? error : undefined);
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) {
      this.fail(new TercetError('invalid_request', { param: 'file', reason: 'missing' }));
      return;
    }
    const whole = (bytes: number) => ({ filename: file.filename, bytes, fields: this.#fields });
    file.taken.then((bytes) => this.#settle.resolve(whole(bytes)), this.#settle.reject);
  }

  async *#limited(content: Readable): AsyncGenerator<Uint8Array> {
    const { bytesMax } = this.#options;
    let bytes = 0;
    for await (const chunk of content as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new TercetError('body_too_large', { bytes, bytesMax });
      yield chunk;
    }
  }
}

function malformed(reason: string): TercetError {
  return new TercetError('invalid_request', { reason });
}
