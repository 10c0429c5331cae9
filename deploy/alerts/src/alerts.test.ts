import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { metricList } from '@tercet/contracts';
import { metricNamesIn } from '@tercet/promql';
import { alertGroups, rulesYaml } from './index.js';

const root = join(import.meta.dirname, '../../..');
const rulesPath = join(root, 'helm/tercet/alerts/tercet.yaml');
const runbooks = join(root, 'docs/runbooks');
const alerts = Object.values(alertGroups).flat();

describe('alert rules', () => {
  test('the chart carries them as they are written here', () => {
    const expected = rulesYaml(alertGroups);
    if (process.env.TERCET_UPDATE_GOLDEN === '1') {
      mkdirSync(join(rulesPath, '..'), { recursive: true });
      writeFileSync(rulesPath, expected);
    }
    expect(existsSync(rulesPath) ? readFileSync(rulesPath, 'utf8') : '').toBe(expected);
  });

  test('each has a name of its own and asks for metrics that there are', () => {
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length);
    for (const { name, expr } of alerts) {
      expect(name).toMatch(/^Tercet[A-Z][A-Za-z]+$/);
      expect([name, metricNamesIn(expr).filter((metric) => !Object.hasOwn(metricList, metric))]).toEqual([name, []]);
    }
  });

  test('each has a runbook page, and each page an alert', () => {
    const pages = readdirSync(runbooks).filter((file) => file !== 'README.md');
    expect(pages.toSorted()).toEqual(alerts.map(({ name }) => `${name}.md`).toSorted());
  });

  test.each(alerts)(
    'the page of $name says what it means, how to see it and what to do',
    ({ name, severity, expr }) => {
      const page = readFileSync(join(runbooks, `${name}.md`), 'utf8');
      expect(page.startsWith(`# ${name}\n\nSeverity: ${severity}.`)).toBe(true);
      for (const heading of ['What it means', 'How to see it', 'What to do'])
        expect(page).toContain(`\n## ${heading}\n`);
      const named = [...page.matchAll(/`(tercet_[a-z_]+)/g)].map(([, metric]) => metric ?? '');
      expect(named.filter((metric) => !Object.hasOwn(metricList, metric.replace(/_(bucket|sum|count)$/, '')))).toEqual(
        [],
      );
      expect(metricNamesIn(expr).some((metric) => named.includes(metric))).toBe(true);
    },
  );
});
