const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `width` columns, filled by `share` of it to an eighth of a column. */
export function barOf(share: number, width: number): string {
  const units = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const filled = '█'.repeat(Math.floor(units / 8)) + (eighths[units % 8] ?? '');
  return filled.padEnd(width);
}
