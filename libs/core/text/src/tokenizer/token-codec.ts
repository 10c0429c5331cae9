/** Text of which only the trusted part may contain special tokens: what a user wrote never becomes one. */
export interface TextSegment {
  readonly text: string;
  readonly trusted: boolean;
}

/** Plain text to token ids and back to bytes, without special tokens: one of the three tokenizer families. */
export interface TokenCodec {
  encode(text: string): number[];
  bytesOf(tokenId: number): Uint8Array;
}
