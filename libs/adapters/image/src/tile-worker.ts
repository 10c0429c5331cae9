/**
 * A thread that decodes images and cuts tiles. It imports nothing of other packages, so that it starts fast, and it
 * starts from sources too: Node strips their types, and the hook below finds `x.ts` where they say `x.js`.
 */
import { registerHooks } from 'node:module';
import { parentPort } from 'node:worker_threads';
import type { CutSpec } from './cut-pixels.js';
import type { DecodeSpec } from './decode-pixels.js';

export interface CutTask {
  readonly taskId: number;
  readonly file: Uint8Array;
  readonly decode: DecodeSpec;
  readonly cut: CutSpec;
}

/** `invalid`: the file cannot be decoded. `failed`: a bug or no memory. */
export type CutReply =
  | { readonly taskId: number; readonly kind: 'done'; readonly pixels: Float32Array<ArrayBuffer> }
  | { readonly taskId: number; readonly kind: 'invalid' | 'failed'; readonly reason: string };

if (import.meta.url.endsWith('.ts')) {
  registerHooks({
    resolve: (specifier, context, next) => {
      const isOurs = specifier.startsWith('./') && context.parentURL?.endsWith('.ts');
      return next(isOurs ? specifier.replace(/\.js$/, '.ts') : specifier, context);
    },
  });
}

const { decodePixels } = await import('./decode-pixels.js');
const { cutPixels } = await import('./cut-pixels.js');

parentPort?.on('message', async (task: CutTask) => {
  const reply = await answer(task);
  parentPort?.postMessage(reply, reply.kind === 'done' ? [reply.pixels.buffer] : []);
});

async function answer({ taskId, file, decode, cut }: CutTask): Promise<CutReply> {
  let image: Awaited<ReturnType<typeof decodePixels>>;
  try {
    image = await decodePixels(file, decode);
  } catch (error) {
    return { taskId, kind: 'invalid', reason: firstLine(error) };
  }
  try {
    return { taskId, kind: 'done', pixels: cutPixels(image, cut) };
  } catch (error) {
    return { taskId, kind: 'failed', reason: firstLine(error) };
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}
