import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type FleetShape, type Trace, type TraceRequest, traceOf } from '@tercet/allocation';
import { z } from 'zod';
import { CommandFailure, exitCodes } from '../terminal/failure.js';

const count = z.int().min(0);
const ms = z.number().min(0);

const TraceLine = z
  .strictObject({
    arrivalMs: ms,
    images: count.default(0),
    patches: count.default(0),
    promptTokens: z.int().min(1),
    cachedTokens: count.default(0),
    outputTokens: z.int().min(1),
  })
  .refine(({ cachedTokens, promptTokens }) => cachedTokens < promptTokens, 'cachedTokens must be below promptTokens')
  .refine(({ images, patches }) => images > 0 === patches > 0, 'images and patches go together');

const Transfer = z.strictObject({ handshakeMs: ms, bytesPerMs: z.number().gt(0) });
const DecodeCost = z.strictObject({ fixedMs: ms, perContextTokenMs: ms, perSequenceMs: ms });
const Shape = z.strictObject({
  kvTokensMax: z.int().min(1),
  sequencesMax: z.int().min(1),
  batchTokensMax: z.int().min(1),
  chunkTokens: z.int().min(1),
  costs: z.strictObject({
    encode: z.strictObject({ fixedMs: ms, perPatchMs: ms }),
    prefill: z.strictObject({ fixedMs: ms, perTokenMs: ms, perTokenSquaredMs: ms }),
    decode: z.strictObject({ small: DecodeCost, large: DecodeCost, smallBatchMax: count }),
    mediaTransfer: Transfer,
    kvTransfer: Transfer,
    mediaBytesPerPatch: z.number().min(0),
    kvBytesPerToken: z.number().min(0),
  }),
});

/** Requests, one JSON object a line; `-` is standard input. The first wrong line is named. */
export async function readTrace(path: string): Promise<Trace> {
  const input = path === '-' ? process.stdin : createReadStream(path);
  const requests: TraceRequest[] = [];
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() !== '') requests.push(checked(TraceLine, parsed(text, path, line), `${path}:${line}`));
    }
  } catch (error) {
    throw unreadable(error, path);
  }
  if (requests.length < 2)
    throw new CommandFailure(`${path} has fewer than two requests`, { exitCode: exitCodes.usage });
  return traceOf(requests);
}

/** What the stages cost on one group, as JSON. */
export async function readShape(path: string): Promise<FleetShape> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(error, path);
  });
  return checked(Shape, parsed(text, path, undefined), path);
}

function parsed(text: string, path: string, line: number | undefined): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = line === undefined ? path : `${path}:${line}`;
    throw new CommandFailure(`${place} is not JSON: ${(error as Error).message}`, { exitCode: exitCodes.usage });
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, json: unknown, place: string): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw new CommandFailure(`${place}: ${field === '' ? '' : `${field}: `}${issue?.message}`, {
    exitCode: exitCodes.usage,
  });
}

function unreadable(error: unknown, path: string): Error {
  if (error instanceof CommandFailure) return error;
  const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new CommandFailure(`${path} cannot be read (${reason})`, { exitCode: exitCodes.usage });
}
