import { assert } from '@tercet/base';
import { blockTokens } from './slot-pool.js';

/** A run of prompt slots filled by media; two runs with one key have the same rows. */
export interface MediaKey {
  readonly start: number;
  readonly tokens: number;
  readonly contentKey: string;
}

/** What a prompt's KV depends on. */
export interface PrefixSource {
  readonly tokenIds: Uint32Array;
  /** Sorted by start, without overlaps. */
  readonly media: readonly MediaKey[];
  /** Which kernels compute the rows of the block that begins at `start`: rows of others may have other bits. */
  kernelAt(start: number): number;
  /** Separates tenants: equal prompts with other salts share nothing, so no timing tells what others asked. */
  readonly salt: string;
}

/** One label per full block. Equal leading labels ⇔ equal KV rows: labels hold the content itself, not a digest. */
export type PrefixKey = readonly string[];

/**
 * Labels of all full blocks of a prompt: salt (first block), token ids, kernels, and the media that cover the block
 * with where in the media the block begins. Labels are exact, so no collision can ever hand out another prompt's rows.
 * Cost: one string of 33 characters per block.
 */
export function prefixKeyOf(source: PrefixSource): PrefixKey {
  const { tokenIds, media, salt } = source;
  const labels: string[] = [];
  const codes = new Array<number>(blockTokens * 2 + 1);
  let firstMedia = 0;
  for (let start = 0; start + blockTokens <= tokenIds.length; start += blockTokens) {
    for (let i = 0; i < blockTokens; i++) {
      const tokenId = tokenIds[start + i] as number;
      codes[2 * i] = tokenId >>> 16;
      codes[2 * i + 1] = tokenId & 0xffff;
    }
    codes[2 * blockTokens] = source.kernelAt(start);
    while (firstMedia < media.length && endOf(media[firstMedia]) <= start) firstMedia++;
    const head = start === 0 ? `${salt.length}:${salt}` : '';
    labels.push(head + String.fromCharCode(...codes) + mediaLabel(media, firstMedia, start));
  }
  return labels;
}

function mediaLabel(media: readonly MediaKey[], first: number, blockStart: number): string {
  let label = '';
  for (let i = first; i < media.length; i++) {
    const span = media[i] as MediaKey;
    if (span.start >= blockStart + blockTokens) break;
    label += `|${span.start - blockStart},${span.tokens},${span.contentKey.length}:${span.contentKey}`;
  }
  return label;
}

function endOf(span: MediaKey | undefined): number {
  assert(span !== undefined, 'media span out of range');
  return span.start + span.tokens;
}
