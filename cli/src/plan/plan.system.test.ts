import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../testing/run-cli.js';

const examples = join(import.meta.dirname, '../../../docs/examples/planning');
const [trace, costs] = [join(examples, 'trace.jsonl'), join(examples, 'costs.json')];
const line = { arrivalMs: 1, promptTokens: 10, outputTokens: 3 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-plan-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plan = (more: Record<string, string | undefined> = {}, stdin?: string) => {
  const options = { trace, costs, pods: '4', slo: 'ttft=400,tpot=40', ...more };
  const args = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return runCli(['plan', ...args.filter((word) => word !== '')], stdin === undefined ? {} : { stdin });
};

describe('tercet plan', () => {
  test('shows the splits, the best first, and a curve', async () => {
    const { code, out, err } = await plan();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const rates = [...out.matchAll(/^\d\S*(?: \d\S+)* +(\d+\.\d\d) +\d/gm)].map(([, rate]) => Number(rate));
    expect(rates).toHaveLength(10);
    expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    expect(out).toContain('● ');
    expect(out).toMatch(/serves \d+\.\d\d requests\/s, \d+\.\d\d times what is asked\.\n$/);
  });

  test('as JSON and as a picture, with three-way splits alone', async () => {
    const svg = join(folder, 'curve.svg');
    const { out } = await plan({ json: '', 'three-way': '', svg });
    const { splits, best, gap } = JSON.parse(out) as Planned;
    expect(splits.map(({ split }) => split).toSorted()).toEqual(['1E 1P 2D', '1E 2P 1D', '2E 1P 1D']);
    expect([best, gap]).toEqual([splits[0], 0]);
    const picture = readFileSync(svg, 'utf8');
    expect(picture.match(/<polyline /g)).toHaveLength(3);
    expect(picture.trimEnd().endsWith('</svg>')).toBe(true);
  });

  test('reads a trace from standard input, and plans for the rate that is asked for', async () => {
    const json = { json: '', trace: '-' };
    const stdin = readFileSync(trace, 'utf8');
    const [calm, busy] = [await plan({ ...json, rate: '1' }, stdin), await plan({ ...json, rate: '50' }, stdin)];
    const metOf = ({ out }: { out: string }) => (JSON.parse(out) as Planned).best.attainment;
    expect(metOf(calm)).toBeGreaterThan(0.98);
    expect(metOf(busy)).toBeLessThan(0.9);
  });

  test('objectives that nothing meets: the best share is told, and the exit code is 1', async () => {
    const { code, out } = await plan({ slo: 'ttft=10,tpot=40' });
    expect(code).toBe(1);
    expect(out).toMatch(/No split meets the objectives at any rate; at best \d+\.\d % of the requests do\.\n$/);
  });

  test.each([
    { what: 'no JSON', text: `${JSON.stringify(line)}\n{\n`, err: /trace:2 is not JSON/ },
    { what: 'no arrival', text: '{"promptTokens":1,"outputTokens":1}\n', err: /trace:1: arrivalMs: / },
    { what: 'a field that nobody knows', text: JSON.stringify({ ...line, prompt: 1 }), err: /trace:1: .*prompt/ },
    { what: 'more cached than there is', text: JSON.stringify({ ...line, cachedTokens: 10 }), err: /must be below/ },
    { what: 'images without patches', text: JSON.stringify({ ...line, images: 1 }), err: /go together/ },
    { what: 'one request', text: JSON.stringify(line), err: /fewer than two requests/ },
    { what: 'nothing', text: '', err: /fewer than two requests/ },
  ])('a trace with $what is refused', async ({ text, err }) => {
    const path = join(folder, 'trace');
    writeFileSync(path, text);
    expect(await plan({ trace: path })).toEqual({ code: 2, out: '', err: expect.stringMatching(err) });
  });

  test.each([
    { what: 'a trace that is not there', more: { trace: '/nowhere' }, code: 2, err: /cannot be read \(ENOENT\)/ },
    { what: 'costs that are a trace', more: { costs: trace }, code: 2, err: /is not JSON/ },
    { what: 'objectives in words', more: { slo: 'fast' }, code: 2, err: /ttft=400,tpot=40/ },
    { what: 'one pod', more: { pods: '1' }, code: 2, err: /from 2/ },
    { what: 'requests that all come at once', more: { trace: '-' }, code: 1, err: /all arrive at once/ },
  ])('$what: ends with $code', async ({ more, code, err }) => {
    const stdin = `${JSON.stringify(line)}\n${JSON.stringify(line)}\n`;
    expect(await plan(more, stdin)).toMatchObject({ code, err: expect.stringMatching(err) });
  });
});

interface Planned {
  readonly best: { readonly split: string; readonly attainment: number };
  readonly splits: readonly { readonly split: string }[];
  readonly gap: number;
}
