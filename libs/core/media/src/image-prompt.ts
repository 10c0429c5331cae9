import type { ImagePlan, PlannedTile } from './image-plan.js';

/** What stands in the prompt in the place of an image: text to tokenise, and tiles that fill `tokensPerTile` slots. */
export type PromptPiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tile'; readonly tile: PlannedTile };

/** Special tokens around the tiles, as the tokenizer spells them. */
export interface ImageMarks {
  readonly around: string;
  readonly globalView: string;
}

export const idefics3Marks: ImageMarks = { around: '<fake_token_around_image>', globalView: '<global-img>' };

/**
 * The prompt of an image, as the Idefics3 processor writes it: every tile behind its row and column, a line break after
 * each row, an empty line before the global view. Neighbouring text is one piece, so that a tokenizer which merges two
 * line breaks sees both.
 */
export function promptOf(plan: ImagePlan, marks: ImageMarks = idefics3Marks): PromptPiece[] {
  const pieces: PromptPiece[] = [];
  for (const tile of plan.tiles) {
    pieces.push({ kind: 'text', text: textBefore(tile, plan, marks) }, { kind: 'tile', tile });
  }
  pieces.push({ kind: 'text', text: marks.around });
  return pieces;
}

function textBefore(tile: PlannedTile, plan: ImagePlan, marks: ImageMarks): string {
  if (tile.globalView) return `${plan.rows > 0 ? '\n\n' : ''}${marks.around}${marks.globalView}`;
  const row = Math.floor(tile.index / plan.columns);
  const column = tile.index % plan.columns;
  return `${row > 0 && column === 0 ? '\n' : ''}${marks.around}<row_${row + 1}_col_${column + 1}>`;
}
