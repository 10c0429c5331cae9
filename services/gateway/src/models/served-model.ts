import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TercetError } from '@tercet/contracts';
import { type Gguf, readGguf } from '@tercet/gguf';
import type { VisionShape } from '@tercet/media';
import { type ChatTemplate, chatTemplateOf, type Tokenizer, tokenizerOf } from '@tercet/text';

export interface ModelFiles {
  readonly name: string;
  readonly path: string;
  readonly mmprojPath?: string;
  readonly contextTokensMax: number;
}

/** What the gateway must know of a model: how text and images become prompt slots. Weights are the stages'. */
export interface ServedModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly contextTokensMax: number;
  readonly vision: ServedVision | undefined;
}

export interface ServedVision {
  readonly shape: VisionShape;
  /** Part of the cache key of media tokens. */
  readonly preprocessingDigest: string;
  /** Stands in the prompt where a media token goes. */
  readonly placeholderTokenId: number;
}

/** @throws model_file_missing, model_file_invalid */
export function openModel({ name, path, mmprojPath, contextTokensMax }: ModelFiles): ServedModel {
  const gguf = openGguf(path);
  const tokenizer = tokenizerOf(gguf);
  const trained = gguf.numberOr(`${gguf.requireString('general.architecture')}.context_length`, contextTokensMax);
  return {
    name,
    tokenizer,
    template: chatTemplateOf(gguf),
    contextTokensMax: Math.min(contextTokensMax, trained),
    vision: mmprojPath === undefined ? undefined : servedVision(openGguf(mmprojPath), tokenizer),
  };
}

function servedVision(mmproj: Gguf, tokenizer: Tokenizer): ServedVision {
  const number = (key: string) => mmproj.requireNumber(`clip.vision.${key}`);
  const tileSize = number('image_size');
  const side = tileSize / number('patch_size') / mmproj.numberOr('clip.vision.projector.scale_factor', 1);
  const longestEdge = mmproj.numberOr('clip.vision.preproc_image_size', tileSize);
  const placeholderTokenId = tokenizer.tokenIdOf('<image>');
  if (placeholderTokenId === undefined) {
    throw new TercetError('model_file_invalid', { reason: 'the tokenizer has no image token' });
  }
  const shape = { tileSize, longestEdge, tokensPerTile: side * side, split: longestEdge > tileSize };
  const names = [...mmproj.tensors.values()].map((tensor) => `${tensor.name} ${tensor.shape} ${tensor.offset}`);
  const facts = [...mmproj.metadata].map(([key, value]) => `${key}=${value}`);
  const digest = createHash('sha256')
    .update([...facts, ...names].join('\n'))
    .digest('hex')
    .slice(0, 16);
  return { shape, preprocessingDigest: digest, placeholderTokenId };
}

function openGguf(path: string): Gguf {
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
