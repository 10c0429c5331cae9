import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { DecoderFamily } from './decoder-family.js';
import { gemma3 } from './gemma3.js';
import { llama } from './llama.js';

export { bert, type EmbedderFamily, type EmbedderShape } from './bert.js';
export type { AttendOptions, Attention, DecoderFamily, DecoderShape } from './decoder-family.js';
export { smolvlmVision, type VisionFamily, type VisionShape } from './smolvlm-vision.js';

const families: Readonly<Record<string, (gguf: Gguf) => DecoderFamily>> = { llama, gemma3 };

/** The decoder of a model file by its architecture. @throws model_file_invalid when no family knows it */
export function decoderOf(gguf: Gguf): DecoderFamily {
  const architecture = gguf.requireString('general.architecture');
  const family = families[architecture];
  if (family === undefined)
    throw new TercetError('model_file_invalid', { architecture, reason: 'unknown architecture' });
  return family(gguf);
}
