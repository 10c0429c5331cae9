import { createHash } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import { probeImage } from '@tercet/image';
import { contentKeyOf, type ImagePlan, planImage, promptOf } from '@tercet/media';
import type { MediaFetcher } from '@tercet/media-fetch';
import type { PromptSegment, TextSegment, Tokenizer } from '@tercet/text';
import type { ServedModel, ServedVision } from '../models/served-model.js';
import type { GenerationRequest, MediaSource, PromptSource } from './request.js';

export interface MediaLimits {
  readonly imagesMax: number;
  /** Of one image file. */
  readonly bytesMax: number;
  readonly pixelsMax: number;
  readonly edgeMax: number;
  readonly tilesMax: number;
}

/** One image of a prompt: its bytes and how they become tiles. */
export interface PreparedImage {
  readonly bytes: Uint8Array;
  readonly contentHash: string;
  readonly plan: ImagePlan;
}

/** Prompt slots that one tile fills. */
export interface TileSlots {
  readonly imageIndex: number;
  readonly tileIndex: number;
  readonly contentKey: string;
  readonly start: number;
  readonly tokens: number;
}

export interface PreparedPrompt {
  readonly tokenIds: readonly number[];
  readonly images: readonly PreparedImage[];
  readonly tiles: readonly TileSlots[];
  /** The template stops behind a word (`Assistant:`): the model begins its answer with a space. */
  readonly endsInLine: boolean;
}

export interface Prepare {
  readonly fetcher: Pick<MediaFetcher, 'fetch'>;
  readonly limits: MediaLimits;
}

/**
 * Reads the images of a request and plans their tiles. All are fetched at the same time.
 * @throws media_* codes, feature_unsupported for a model without a vision tower
 */
export async function fetchImages(
  request: GenerationRequest,
  { fetcher, limits }: Prepare,
  signal: AbortSignal,
): Promise<PreparedImage[]> {
  const { media, model } = request;
  if (media.length === 0) return [];
  const { vision } = model;
  if (vision === undefined) throw new TercetError('feature_unsupported', { feature: 'images', model: model.name });
  const { imagesMax } = limits;
  if (media.length > imagesMax) throw new TercetError('media_too_many', { images: media.length, imagesMax });
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  return Promise.all(
    media.map(async (source) => {
      try {
        return prepareImage(await bytesOf(source, fetcher, either), vision, limits);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
}

/** Token ids of the prompt, with the slots that media tokens will fill. @throws template_failed, prompt_too_long */
export function tokenizePrompt(request: GenerationRequest, images: readonly PreparedImage[]): PreparedPrompt {
  const { model, prompt } = request;
  if (prompt.kind === 'tokens')
    return { tokenIds: checkedTokens(prompt.tokenIds, model), images: [], tiles: [], endsInLine: false };
  const assembled = new PromptAssembly(model.tokenizer);
  const segments = segmentsOf(prompt, model);
  for (const segment of segments) {
    if (segment.kind === 'text') assembled.addText(segment);
    else addImage(assembled, { index: segment.index, image: images[segment.index] as PreparedImage, model });
  }
  const { tokenIds, tiles } = assembled.finish();
  const { contextTokensMax } = model;
  if (tokenIds.length >= contextTokensMax) {
    throw new TercetError('prompt_too_long', { promptTokens: tokenIds.length, contextTokensMax });
  }
  const last = segments.at(-1);
  const endsInLine = prompt.kind === 'chat' && last?.kind === 'text' && /\S$/.test(last.text);
  return { tokenIds, images, tiles, endsInLine };
}

async function bytesOf(source: MediaSource, fetcher: Prepare['fetcher'], signal: AbortSignal): Promise<Uint8Array> {
  return source.kind === 'bytes' ? source.bytes : fetcher.fetch(source.url, signal);
}

function prepareImage(bytes: Uint8Array, { shape }: ServedVision, limits: MediaLimits): PreparedImage {
  const size = probeImage(bytes, limits);
  const contentHash = createHash('sha256').update(bytes).digest('hex');
  return { bytes, contentHash, plan: planImage(size, shape, limits) };
}

function segmentsOf(prompt: Exclude<PromptSource, { kind: 'tokens' }>, model: ServedModel): PromptSegment[] {
  if (prompt.kind === 'text') return [{ kind: 'text', text: prompt.text, trusted: false }];
  const tools = prompt.tools === undefined ? {} : { tools: prompt.tools };
  return model.template.render(prompt.messages, { addGenerationPrompt: true, ...tools });
}

function checkedTokens(tokenIds: readonly number[], { tokenizer, contextTokensMax }: ServedModel): readonly number[] {
  const { vocabSize } = tokenizer;
  const wrong = tokenIds.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) throw new TercetError('invalid_request', { tokenId: wrong, vocabSize });
  const promptTokens = tokenIds.length;
  if (promptTokens >= contextTokensMax) throw new TercetError('prompt_too_long', { promptTokens, contextTokensMax });
  return tokenIds;
}

function addImage(to: PromptAssembly, from: { index: number; image: PreparedImage; model: ServedModel }): void {
  const { index, image, model } = from;
  const vision = model.vision as ServedVision;
  for (const piece of promptOf(image.plan)) {
    if (piece.kind === 'text') {
      to.addText({ text: piece.text, trusted: true });
      continue;
    }
    const { contentHash, plan } = image;
    const { preprocessingDigest, placeholderTokenId, shape } = vision;
    const contentKey = contentKeyOf({ contentHash, plan, tile: piece.tile, preprocessingDigest });
    const tile = { imageIndex: index, tileIndex: piece.tile.index, contentKey };
    to.addTile(tile, { tokens: shape.tokensPerTile, placeholderTokenId });
  }
}

/** Joins neighbouring text before it is tokenised, so that no border of a segment shows in the tokens. */
class PromptAssembly {
  readonly #tokenizer: Tokenizer;
  readonly #tokenIds: number[] = [];
  readonly #tiles: TileSlots[] = [];
  #text: TextSegment[] = [];

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  addText(segment: TextSegment): void {
    this.#text.push(segment);
  }

  addTile(
    tile: Omit<TileSlots, 'start' | 'tokens'>,
    { tokens, placeholderTokenId }: { tokens: number; placeholderTokenId: number },
  ): void {
    this.#flush();
    this.#tiles.push({ ...tile, start: this.#tokenIds.length, tokens });
    for (let i = 0; i < tokens; i++) this.#tokenIds.push(placeholderTokenId);
  }

  finish(): { tokenIds: number[]; tiles: TileSlots[] } {
    this.#flush();
    if (this.#tokenIds.length === 0) this.#addBos();
    if (this.#tokenIds.length === 0) throw new TercetError('invalid_request', { reason: 'the prompt is empty' });
    return { tokenIds: this.#tokenIds, tiles: this.#tiles };
  }

  #flush(): void {
    const ids = this.#tokenizer.encode(this.#text);
    this.#text = [];
    if (this.#tokenIds.length === 0 && ids[0] !== this.#tokenizer.bosTokenId) this.#addBos();
    for (const id of ids) this.#tokenIds.push(id);
  }

  /** Once, also where the template prints it. */
  #addBos(): void {
    const { bosTokenId } = this.#tokenizer;
    if (bosTokenId !== undefined) this.#tokenIds.push(bosTokenId);
  }
}
