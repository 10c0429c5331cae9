import { createHash } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { VisionShape } from '@tercet/media';
import { openGguf } from '@tercet/models';
import { type ChatTemplate, chatTemplateOf, type Tokenizer, tokenizerOf } from '@tercet/text';
import { type EmbeddingModel, embeddingModel, isEmbedder } from './embedding-model.js';

export interface ModelFiles {
  readonly name: string;
  readonly path: string;
  readonly mmprojPath?: string;
  readonly contextTokensMax: number;
}

/** What the gateway must know of a model that writes: how text and images become prompt slots. Stages have weights. */
export interface ServedModel {
  readonly kind: 'text';
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly contextTokensMax: number;
  readonly vision: ServedVision | undefined;
}

export interface ServedVision {
  readonly shape: VisionShape;
  /** What the vision tower computes for one tile. */
  readonly patchesPerTile: number;
  /** Part of the cache key of media tokens. */
  readonly preprocessingDigest: string;
  /** Stands in the prompt where a media token goes. */
  readonly placeholderTokenId: number;
}

/** @throws model_file_missing, model_file_invalid */
export function openModel({ name, path, mmprojPath, contextTokensMax }: ModelFiles): ServedModel | EmbeddingModel {
  const gguf = openGguf(path);
  if (isEmbedder(gguf)) return embeddingModel(name, gguf);
  const tokenizer = tokenizerOf(gguf);
  const trained = gguf.numberOr(`${gguf.requireString('general.architecture')}.context_length`, contextTokensMax);
  return {
    kind: 'text',
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
  const patchSide = tileSize / number('patch_size');
  const side = patchSide / mmproj.numberOr('clip.vision.projector.scale_factor', 1);
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
  return { shape, patchesPerTile: patchSide * patchSide, preprocessingDigest: digest, placeholderTokenId };
}
