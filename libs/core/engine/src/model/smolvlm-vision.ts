import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { Tensor, TensorOps } from '../tensor-ops.js';

/** Sizes of a vision tower, read from the projector file. */
export interface VisionShape {
  readonly tileSize: number;
  readonly patchSize: number;
  readonly width: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly feedForward: number;
  readonly normEps: number;
  /** Side of the square of patches that becomes one media token. */
  readonly shuffle: number;
  /** Width of a media token: the width of the decoder. */
  readonly projectionDim: number;
  readonly tokensPerTile: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface VisionFamily {
  readonly shape: VisionShape;
  /** Tiles [size, size, 3, n] → media tokens [projectionDim, tokensPerTile, n]. */
  encode(ops: TensorOps, pixels: Tensor): Tensor;
}

/**
 * The vision tower of SmolVLM and Idefics3: SigLIP (patches, learned positions, pre-norm blocks, final norm), pixel
 * shuffle
 * that turns squares of patches into one wide vector, and a linear connector into the decoder's width.
 * @see Zhai et al. 2023, arXiv:2303.15343 (SigLIP); Laurençon et al. 2024, arXiv:2408.12637 (Idefics3, pixel shuffle)
 */
export function smolvlmVision(gguf: Gguf): VisionFamily {
  const shape = visionShape(gguf);
  const { width, patchSize, tileSize, headCount, feedForward, normEps, shuffle } = shape;
  const side = tileSize / patchSize;
  const patches = side * side;
  const headDim = width / headCount;
  const linear = (ops: TensorOps, x: Tensor, name: string, from: number, to: number) =>
    ops.add(ops.mulMat(ops.weight(`${name}.weight`, [from, to]), x), ops.weight(`${name}.bias`, [to]));
  const norm = (ops: TensorOps, x: Tensor, name: string) => {
    const scaled = ops.mul(ops.layerNorm(x, normEps), ops.weight(`${name}.weight`, [width]));
    return ops.add(scaled, ops.weight(`${name}.bias`, [width]));
  };

  function attention(ops: TensorOps, block: string, x: Tensor): Tensor {
    const count = x.shape[2];
    const heads = (name: string) => {
      const rows = linear(ops, x, `${block}.${name}`, width, width);
      return ops.permute(ops.reshape(rows, headDim, headCount, patches, count), [0, 2, 1, 3]);
    };
    const scores = ops.mulMat(ops.contiguous(heads('attn_k')), ops.contiguous(heads('attn_q')));
    const shares = ops.softmax(scores, undefined, headDim ** -0.5);
    const values = ops.contiguous(ops.permute(heads('attn_v'), [1, 0, 2, 3]));
    const mixed = ops.contiguous(ops.permute(ops.mulMat(values, shares), [0, 2, 1, 3]));
    return linear(ops, ops.reshape(mixed, width, patches, count), `${block}.attn_out`, width, width);
  }

  function block(ops: TensorOps, index: number, x: Tensor): Tensor {
    const name = `v.blk.${index}`;
    const attended = ops.add(x, attention(ops, name, norm(ops, x, `${name}.ln1`)));
    const up = ops.gelu(linear(ops, norm(ops, attended, `${name}.ln2`), `${name}.ffn_up`, width, feedForward));
    return ops.add(attended, linear(ops, up, `${name}.ffn_down`, feedForward, width));
  }

  /** [width, side · side, n] → [width · s², side² / s², n] */
  function pixelShuffle(ops: TensorOps, x: Tensor): Tensor {
    const count = x.shape[2];
    const wide = ops.reshape(x, width * shuffle, side / shuffle, side, count);
    const turned = ops.contiguous(ops.permute(wide, [0, 2, 1, 3]));
    const square = ops.reshape(turned, width * shuffle * shuffle, side / shuffle, side / shuffle, count);
    const back = ops.contiguous(ops.permute(square, [0, 2, 1, 3]));
    return ops.reshape(back, width * shuffle * shuffle, patches / (shuffle * shuffle), count);
  }

  return {
    shape,
    encode(ops, pixels) {
      const count = pixels.shape[3];
      const kernel = ops.weight('v.patch_embd.weight', [patchSize, patchSize, 3, width]);
      const planes = ops.reshape(ops.patchConvolution(kernel, pixels), patches, width, count);
      const rows = ops.contiguous(ops.permute(planes, [1, 0, 2, 3]));
      const embedded = ops.add(rows, ops.weight('v.patch_embd.bias', [width]));
      let x = ops.add(embedded, ops.weight('v.position_embd.weight', [width, patches]));
      for (let index = 0; index < shape.layerCount; index++) x = block(ops, index, x);
      const shuffled = pixelShuffle(ops, norm(ops, x, 'v.post_ln'));
      return ops.mulMat(ops.weight('mm.model.fc.weight', [width * shuffle * shuffle, shape.projectionDim]), shuffled);
    },
  };
}

function visionShape(gguf: Gguf): VisionShape {
  const count = (key: string, max: number) => gguf.requireCount(`clip.vision.${key}`, max);
  const tileSize = count('image_size', 4_096);
  const patchSize = count('patch_size', 512);
  const shuffle = count('projector.scale_factor', 64);
  const side = tileSize / patchSize / shuffle;
  const shape = {
    tileSize,
    patchSize,
    shuffle,
    width: count('embedding_length', 65_536),
    layerCount: count('block_count', 1_024),
    headCount: count('attention.head_count', 1_024),
    feedForward: count('feed_forward_length', 2 ** 20),
    normEps: gguf.positiveOr('clip.vision.attention.layer_norm_epsilon', 1e-6),
    projectionDim: count('projection_dim', 65_536),
    tokensPerTile: side * side,
    mean: channels(gguf, 'clip.vision.image_mean'),
    std: channels(gguf, 'clip.vision.image_std'),
  };
  if (!Number.isInteger(side) || shape.width % shape.headCount !== 0 || shape.std.some((value) => value <= 0)) {
    const { width, headCount } = shape;
    const sizes = { tileSize, patchSize, shuffle, width, headCount };
    throw new TercetError('model_file_invalid', { reason: 'sizes of the vision tower cannot be', ...sizes });
  }
  return shape;
}

function channels(gguf: Gguf, key: string): number[] {
  const values = gguf.requireArray(key).map(Number);
  if (values.length === 3 && values.every(Number.isFinite)) return values;
  throw new TercetError('model_file_invalid', { reason: 'three numbers are wanted', key });
}
