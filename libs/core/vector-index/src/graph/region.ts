/** Memory that reads as zeros until it is written to, and is taken only then. */
export interface MemoryRegion {
  readonly buffer: ArrayBuffer;
  /** Gives the whole pages of a range back, where that can be: they read as zeros. */
  release(fromByte: number, toByte: number): void;
  free(): void;
}
