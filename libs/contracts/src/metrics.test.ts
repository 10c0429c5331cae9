import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Metric } from './metric.js';
import { type MetricName, metricList } from './metrics.js';

const entries = Object.entries(metricList) as [MetricName, Metric][];
const page = join(import.meta.dirname, '../../../docs/metrics.md');

describe('list of metrics', () => {
  test('a name says its unit last, and a counter that it counts', () => {
    const wrong = entries.filter(([name, { type, unit }]) => {
      const end = ['seconds', 'bytes', 'ratio'].includes(unit) ? `_${unit}` : '';
      return !/^tercet_[a-z_]+[a-z]$/.test(name) || !name.endsWith(type === 'counter' ? `${end}_total` : end);
    });
    expect(wrong).toEqual([]);
  });

  test('only a counter ends in _total, and only a histogram has buckets, which grow', () => {
    for (const [name, { type, buckets }] of entries) {
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect([name, buckets.length > 0]).toEqual([name, type === 'histogram']);
      expect(buckets).toEqual([...new Set(buckets)].toSorted((a, b) => a - b));
    }
  });

  test('somebody exports each, and its labels are few', () => {
    for (const [name, { exportedBy, labels, help }] of entries) {
      expect([name, exportedBy.length > 0]).toEqual([name, true]);
      // There is one controller, and what it counts is rare.
      const labelsMax = exportedBy.every((service) => service === 'controller') ? 4 : 2;
      expect([name, Object.keys(labels).length <= labelsMax]).toEqual([name, true]);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
    }
  });

  test('docs/metrics.md is this list', () => {
    const head = [
      '# Metrics',
      '',
      'Every metric of every service, from the list in `libs/contracts/src/metrics.ts`. Units are base units. Labels',
      'have the values that stand beside them, `…` as many as the configuration names. `docs/observability.md` says',
      'where they are read.',
      '',
      '| metric | type | unit | meaning | labels | exported by |',
      '|---|---|---|---|---|---|',
    ];
    const histograms = entries.filter(([, { type }]) => type === 'histogram');
    const bounds = histograms.map(([name, { buckets }]) => `- \`${name}\`: ${buckets.join(', ')}`);
    const expected = [...head, ...entries.map(rowOf), '', '## Buckets', '', ...bounds, ''].join('\n');
    if (process.env.TERCET_UPDATE_GOLDEN === '1') writeFileSync(page, expected);
    expect(readFileSync(page, 'utf8')).toBe(expected);
  });
});

function rowOf([name, { type, unit, help, labels, exportedBy }]: [MetricName, Metric]): string {
  const shown = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${valuesOf(values)}`);
  return `| \`${name}\` | ${type} | ${unit} | ${help} | ${shown.join('<br>')} | ${exportedBy.join(', ')} |`;
}

/** The table of errors is long and has a page of its own. */
function valuesOf(values: readonly string[] | 'configured'): string {
  if (values === 'configured') return '…';
  if (values.includes('internal')) return `${values.includes('ok') ? '`ok` or ' : ''}an [error code](errors.md)`;
  return values.map((value) => `\`${value}\``).join(', ');
}
