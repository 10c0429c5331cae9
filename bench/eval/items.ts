import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One held-out question with its only right answer. */
export interface EvalItem {
  readonly id: number;
  readonly kind: string;
  readonly question: string;
  readonly answer: string;
  /** Picture files, in the order in which the question means them. */
  readonly images: readonly EvalImage[];
}

export interface EvalImage {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Asks a model one question, greedily, and returns its answer. */
export type Ask = (item: EvalItem) => Promise<string>;

/** The items of a folder with `items.jsonl`, pictures read once. */
export function readItems(folder: string): EvalItem[] {
  const pictures = new Map<string, EvalImage>();
  const pictureOf = (name: string): EvalImage => {
    const known = pictures.get(name) ?? { name, bytes: readFileSync(join(folder, name)) };
    pictures.set(name, known);
    return known;
  };
  const lines = readFileSync(join(folder, 'items.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const item = JSON.parse(line) as Omit<EvalItem, 'images'> & { images: string[] };
    return { ...item, images: item.images.map(pictureOf) };
  });
}
