import type { Colours } from '../terminal/terminal.js';
import type { GoodputCurve } from './goodput-curve.js';

const rows = 10;
const marks = ['●', '○', '+', '×'];

/** The curves as lines of text: the share from 0 to 100 % upwards, the rate to the right. */
export function curveLines(curves: readonly GoodputCurve[], attainment: number, colours: Colours): string[] {
  const width = curves[0]?.points.length ?? 0;
  const paint = [colours.green, colours.cyan, colours.yellow, colours.magenta];
  const grid = Array.from({ length: rows + 1 }, () => Array<string>(width).fill(' '));
  const asked = grid[rows - Math.round(attainment * rows)];
  asked?.fill(colours.dim('┄'));
  for (const [index, { points }] of [...curves.entries()].toReversed()) {
    for (const [column, point] of points.entries()) {
      const row = grid[rows - Math.round(point.attainment * rows)];
      const mark = marks[index % marks.length] ?? '●';
      if (row !== undefined) row[column] = (paint[index % paint.length] ?? String)(mark);
    }
  }
  const lines = grid.map((cells, row) => {
    const share = 100 - (100 / rows) * row;
    const label = row % 5 === 0 ? `${share} %` : '';
    return `${label.padStart(6)} ┤${cells.join('')}`.trimEnd();
  });
  const most = curves[0]?.points.at(-1)?.rps ?? 0;
  const scale = `0${`${most.toPrecision(3)} requests/s`.padStart(width - 1)}`;
  const legend = curves.map(({ name }, index) => {
    return `${(paint[index % paint.length] ?? String)(marks[index % marks.length] ?? '●')} ${name}`;
  });
  return [
    ...lines,
    `${' '.repeat(7)}└${'─'.repeat(width)}`,
    `${' '.repeat(8)}${scale}`,
    `        ${legend.join('   ')}`,
  ];
}
