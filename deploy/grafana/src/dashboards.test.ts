import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { metricList } from '@tercet/contracts';
import { metricNamesIn } from '@tercet/promql';
import { dashboardJson, dashboards } from './index.js';

const folder = join(import.meta.dirname, '../../../helm/tercet/dashboards');
const panels = dashboards.flatMap(({ uid, rows }) =>
  rows.flatMap((row) => row.panels.map((panel) => ({ name: `${uid}: ${panel.title}`, ...panel }))),
);

describe('dashboards', () => {
  test.each(dashboards)('the chart carries $uid as it is written here', (dashboard) => {
    const path = join(folder, `${dashboard.uid}.json`);
    const expected = `${JSON.stringify(dashboardJson(dashboard), null, 2)}\n`;
    if (process.env.TERCET_UPDATE_GOLDEN === '1') {
      mkdirSync(folder, { recursive: true });
      writeFileSync(path, expected);
    }
    expect(existsSync(path) ? readFileSync(path, 'utf8') : '').toBe(expected);
  });

  test('the chart carries no other', () => {
    expect(readdirSync(folder).toSorted()).toEqual(dashboards.map(({ uid }) => `${uid}.json`).toSorted());
  });

  test('every panel says what it shows, under a name of its own', () => {
    expect(new Set(panels.map(({ name }) => name)).size).toBe(panels.length);
    expect(panels.filter(({ description }) => description.length < 30)).toEqual([]);
  });

  test('every panel asks for metrics that there are', () => {
    for (const { name, queries } of panels) {
      const names = queries.flatMap(({ expr }) => metricNamesIn(expr));
      expect([name, names.length > 0]).toEqual([name, true]);
      expect([name, names.filter((metric) => !Object.hasOwn(metricList, metric))]).toEqual([name, []]);
    }
  });

  test('every metric is on a panel', () => {
    const shown = new Set(panels.flatMap(({ queries }) => queries.flatMap(({ expr }) => metricNamesIn(expr))));
    expect(Object.keys(metricList).filter((name) => !shown.has(name))).toEqual([]);
  });

  test('panels fill rows of 24 columns', () => {
    for (const { uid, rows } of dashboards) {
      for (const { title, panels: row } of rows) {
        const columns = row.reduce((sum, { kind, width }) => sum + (width ?? (kind === 'number' ? 4 : 12)), 0);
        expect([uid, title, columns % 24]).toEqual([uid, title, 0]);
      }
    }
  });
});
