import { describe, expect, test } from '@jest/globals';
import pc from 'picocolors';
import { barOf } from './bar.js';
import { ProgressBar } from './progress-bar.js';
import { tableLines } from './table.js';
import { type Output, printable } from './terminal.js';
import { formatBytes, formatClock, formatMs } from './units.js';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_949, '99.9 kB'],
  [99_950, '100 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [253_113_024, '253 MB'],
  [12e12, '12.0 TB'],
  [12e15, '12000 TB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, '0.00 ms'],
  [9.994, '9.99 ms'],
  [9.996, '10.0 ms'],
  [99.96, '100 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [59_994, '59.99 s'],
  [125_000, '2:05'],
])('%d ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

test('a clock has hours only where there are any', () => {
  expect([0, 7, 59.6, 3599, 3723].map(formatClock)).toEqual(['0:00', '0:07', '1:00', '59:59', '1:02:03']);
});

test('a bar fills by eighths and never leaves its bounds', () => {
  expect([-1, 0, 0.5, 0.53125, 1, 2].map((share) => barOf(share, 4))).toEqual([
    '    ',
    '    ',
    '██  ',
    '██▏ ',
    '████',
    '████',
  ]);
});

test('a table is as wide as its cells, colours aside', () => {
  const { green } = pc.createColors(true);
  const lines = tableLines(
    [{ title: 'A' }, { title: 'N', align: 'right' }],
    [
      [green('ok'), '1'],
      ['x', '100'],
    ],
  );
  expect(lines).toEqual(['A     N', `${green('ok')}    1`, 'x   100']);
});

test('text of others cannot steer the terminal', () => {
  expect(printable('a\u001b[2Jb\u0007\u009b31mc\u202ed\r\te\n')).toBe('a[2Jb31mcd\te\n');
});

describe('a progress bar', () => {
  const outputOf = (isTty: boolean, columns = 100) => {
    const written: string[] = [];
    const colours = pc.createColors(false);
    const output: Output = { write: (text) => void written.push(text), isTty, columns, colours };
    return { output, written };
  };
  const at = (bytesDone: number, bytesTotal?: number) => ({ label: 'file', bytesDone, bytesTotal });

  test('is drawn over, ten times a second at most, with speed and time left', () => {
    const { output, written } = outputOf(true);
    let now = 0;
    const bar = new ProgressBar(output, () => now);
    for (; now <= 1000; now += 10) bar.show(at(now * 1000, 4_000_000));
    expect(written.length).toBe(11);
    expect(written.at(-1)).toBe('\rfile  ██████                    25 %  1.0 MB of 4.0 MB  1.0 MB/s  0:03\u001b[K');
    bar.finish('done');
    expect(written.slice(-2)).toEqual(['\r\u001b[K', 'done\n']);
  });

  test('without a known size tells the bytes alone', () => {
    const { output, written } = outputOf(true);
    new ProgressBar(output, () => 0).show(at(5000));
    expect(written).toEqual(['\rfile  5.0 kB\u001b[K']);
  });

  test('never wraps: a narrow terminal loses the end of it', () => {
    const { output, written } = outputOf(true, 20);
    new ProgressBar(output, () => 0).show(at(500, 1000));
    expect(written).toEqual(['\rfile  ████████████ \u001b[K']);
  });

  test('on a pipe is one line at the start and one at the end', () => {
    const { output, written } = outputOf(false);
    const bar = new ProgressBar(output, () => 0);
    for (let i = 0; i < 10; i++) bar.show(at(i, 1000));
    bar.finish('done');
    bar.clear();
    expect(written).toEqual(['file, 1.0 kB …\n', 'done\n']);
  });
});
